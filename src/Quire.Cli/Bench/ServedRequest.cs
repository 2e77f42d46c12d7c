using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.IO.Pipelines;
using System.Buffers;
using System.Net.Http;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace Quire.Cli.Bench;

/// <summary>What a client saw of one request. Times are Stopwatch timestamps and seconds.</summary>
internal sealed class ServedRequest
{
    public bool Success { get; set; }

    public string Error { get; set; } = "";

    public int PromptLength { get; set; }

    public int OutputLength { get; set; }

    /// <summary>Right before the request was sent.</summary>
    public long StartTimestamp { get; set; }

    /// <summary>Seconds to the first chunk with choices.</summary>
    public double TimeToFirstToken { get; set; }

    /// <summary>Seconds between chunks with choices, the first excluded.</summary>
    public List<double> Intervals { get; } = [];

    /// <summary>Seconds to the last chunk with choices.</summary>
    public double Latency { get; set; }

    /// <summary>Seconds of waiting for the client's own limit on concurrency.</summary>
    public double QueueSeconds { get; set; }

    /// <summary>Seconds between the planned time of sending and the real one, that limit excluded.</summary>
    public double SendLag { get; set; }

    public StringBuilder Text { get; } = new();

    /// <summary>Sends a body and reads the stream of its answer.</summary>
    public async Task RunAsync(HttpClient client, Uri endpoint, byte[] body, IReadOnlyList<KeyValuePair<string, string>> headers, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        foreach ((string name, string value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        StartTimestamp = Stopwatch.GetTimestamp();
        try
        {
            using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
            {
                Error = $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false)}";
                return;
            }

            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await ReadEventsAsync(PipeReader.Create(stream), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or JsonException || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Success = false;
            Error = failure.Message;
        }
    }

    private async Task ReadEventsAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        long previous = StartTimestamp;
        bool any = false;
        bool done = false;
        while (!done)
        {
            ReadResult read = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = read.Buffer;
            while (!done && TryReadLine(ref buffer, out ReadOnlySequence<byte> line))
                done = TakeLine(line, ref previous, ref any);
            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
                break;
        }

        await reader.CompleteAsync().ConfigureAwait(false);
        Success = any && Error.Length == 0;
        if (!any && Error.Length == 0)
            Error = "Never received a valid chunk to calculate TTFT. This response will be marked as failed!";
        Latency = Stopwatch.GetElapsedTime(StartTimestamp, previous).TotalSeconds;
    }

    private static bool TryReadLine(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> line)
    {
        SequencePosition? end = buffer.PositionOf((byte)'\n');
        if (end is null)
        {
            line = default;
            return false;
        }

        line = buffer.Slice(0, end.Value);
        buffer = buffer.Slice(buffer.GetPosition(1, end.Value));
        return true;
    }

    /// <summary>True at the end of the stream.</summary>
    private bool TakeLine(ReadOnlySequence<byte> line, ref long previous, ref bool any)
    {
        ReadOnlySpan<byte> text = (line.IsSingleSegment ? line.FirstSpan : line.ToArray()).Trim("\r "u8);
        if (!text.StartsWith("data:"u8))
            return false;
        text = text[5..].TrimStart((byte)' ');
        if (text.SequenceEqual("[DONE]"u8))
            return true;
        long now = Stopwatch.GetTimestamp();
        if (!TakeChunk(text))
            return false;
        if (!any)
        {
            any = true;
            TimeToFirstToken = Stopwatch.GetElapsedTime(StartTimestamp, now).TotalSeconds;
        }
        else
        {
            Intervals.Add(Stopwatch.GetElapsedTime(previous, now).TotalSeconds);
        }

        previous = now;
        return false;
    }

    /// <summary>True for a chunk with choices; a chunk of usage alone carries no token.</summary>
    private bool TakeChunk(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        JsonElement root = JsonElement.ParseValue(ref reader);
        if (root.TryGetProperty("error", out JsonElement error))
            Error = error.GetRawText();
        if (root.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
        {
            if (usage.TryGetProperty("completion_tokens", out JsonElement output))
                OutputLength = output.GetInt32();
            if (usage.TryGetProperty("prompt_tokens", out JsonElement prompt))
                PromptLength = prompt.GetInt32();
        }

        if (!root.TryGetProperty("choices", out JsonElement choices) || choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0)
            return false;
        JsonElement first = choices[0];
        if (first.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String)
            Text.Append(text.GetString());
        else if (first.TryGetProperty("delta", out JsonElement delta) && delta.TryGetProperty("content", out JsonElement content) && content.ValueKind == JsonValueKind.String)
            Text.Append(content.GetString());
        return true;
    }
}
