using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Streaming;
using Quire.Server.Http;

namespace Quire.Server.Serving;

/// <summary>Writes the chunks of one kind of stream.</summary>
internal interface IChunkWriter
{
    /// <summary>Writes the chunks of a delta of one of the prompts.</summary>
    void Write(SseWriter events, int promptIndex, IGeneration generation, OutputDelta delta);

    /// <summary>Writes what stands before the end of the stream.</summary>
    void WriteEnd(SseWriter events);
}

/// <summary>
/// Carries deltas from generations to a connection. What is ready is written together and sent when nothing more is; while the client
/// does not read, nothing is taken from the engine, which then gathers several tokens in one delta.
/// </summary>
internal static class StreamPump
{
    private const int UnsentBytesMax = 16384;

    /// <summary>Runs a stream from its first chunk to <c>[DONE]</c>. An error after the start becomes an event.</summary>
    /// <returns>What went wrong, or null.</returns>
    public static async Task<Exception?> RunAsync(
        IReadOnlyList<IGeneration> generations, SseWriter events, IChunkWriter writer, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            if (generations.Count == 1)
            {
                await PumpAsync(generations[0], events, writer, cancellationToken);
            }
            else
            {
                await PumpAllAsync(generations, events, writer, cancellationToken);
            }

            writer.WriteEnd(events);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not OperationCanceledException
            && !events.IsInsideEvent)
        {
            failure = exception;
            events.BeginEvent();
            JsonAnswer.WriteError(events.Json, ErrorMapper.Map(exception));
            events.EndEvent();
        }

        events.Done();
        await events.FlushAsync(cancellationToken);
        return failure;
    }

    private static async Task PumpAsync(IGeneration generation, SseWriter events, IChunkWriter writer, CancellationToken cancellationToken)
    {
        while (true)
        {
            ValueTask<OutputDelta?> next = generation.ReadAsync(cancellationToken);
            if (!next.IsCompleted || events.Pending > UnsentBytesMax)
            {
                try
                {
                    await events.FlushAsync(cancellationToken);
                }
                catch
                {
                    // The read that is under way has to end before the generation may be disposed.
                    generation.Abort();
                    await Settle(next);
                    throw;
                }
            }

            if (await next is not { } delta)
            {
                return;
            }

            Write(events, writer, 0, generation, delta);
        }
    }

    /// <summary>Several prompts at once: a reader for each, one at a time at the connection.</summary>
    private static async Task PumpAllAsync(
        IReadOnlyList<IGeneration> generations, SseWriter events, IChunkWriter writer, CancellationToken cancellationToken)
    {
        using var turn = new SemaphoreSlim(1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var readers = new Task[generations.Count];
        for (int i = 0; i < readers.Length; i++)
        {
            readers[i] = PumpOneAsync(i, generations[i], events, writer, turn, stop);
        }

        await Task.WhenAll(readers);
    }

    private static async Task PumpOneAsync(
        int promptIndex, IGeneration generation, SseWriter events, IChunkWriter writer, SemaphoreSlim turn, CancellationTokenSource stop)
    {
        try
        {
            while (await generation.ReadAsync(stop.Token) is { } delta)
            {
                await turn.WaitAsync(stop.Token);
                try
                {
                    Write(events, writer, promptIndex, generation, delta);
                    await events.FlushAsync(stop.Token);
                }
                finally
                {
                    turn.Release();
                }
            }
        }
        catch
        {
            await stop.CancelAsync();
            throw;
        }
    }

    private static void Write(SseWriter events, IChunkWriter writer, int promptIndex, IGeneration generation, OutputDelta delta)
    {
        if (delta.FinishReason == FinishReason.Error)
        {
            throw new ApiException(FinishReasons.Failure);
        }

        writer.Write(events, promptIndex, generation, delta);
    }

    private static async ValueTask Settle(ValueTask<OutputDelta?> read)
    {
        try
        {
            await read;
        }
        catch (Exception)
        {
            // The stream is over; why its last read ended does not matter any more.
        }
    }
}
