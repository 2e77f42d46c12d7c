using System;
using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;

namespace Quire.Server.Http;

/// <summary>
/// Server-sent events with JSON data, written straight into the buffers of the connection. An event costs no allocation. Nothing is sent
/// before <see cref="FlushAsync"/>, so that several events that are ready together travel together.
/// </summary>
internal sealed class SseWriter : IDisposable
{
    private readonly HttpContext _context;
    private readonly PipeWriter _output;
    private bool _dirty;

    public SseWriter(HttpContext context)
    {
        _context = context;
        _output = context.Response.BodyWriter;
        Json = new Utf8JsonWriter(_output, JsonText.WriterOptions);
    }

    /// <summary>The writer of the event that is open.</summary>
    public Utf8JsonWriter Json { get; }

    /// <summary>Bytes written since the last flush, roughly.</summary>
    public long Pending { get; private set; }

    /// <summary>Whether an event was begun and not ended: the connection can then only be cut.</summary>
    public bool IsInsideEvent { get; private set; }

    /// <summary>Sends status and headers, so that the client knows its request was accepted before the first token exists.</summary>
    public static async Task StartAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        await response.StartAsync(context.RequestAborted);
        await response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    public void BeginEvent()
    {
        IsInsideEvent = true;
        _output.Write("data: "u8);
        Json.Reset();
    }

    public void EndEvent()
    {
        Json.Flush();
        Pending += Json.BytesCommitted + 8;
        _output.Write("\n\n"u8);
        _dirty = true;
        IsInsideEvent = false;
    }

    /// <summary>The event that ends a stream of chunks.</summary>
    public void Done()
    {
        _output.Write("data: [DONE]\n\n"u8);
        _dirty = true;
    }

    /// <summary>Sends what was written; waits while the client does not read.</summary>
    /// <exception cref="OperationCanceledException">The client is gone.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (!_dirty)
        {
            return;
        }

        _dirty = false;
        Pending = 0;
        FlushResult result = await _output.FlushAsync(cancellationToken);
        if (result.IsCompleted || result.IsCanceled || _context.RequestAborted.IsCancellationRequested)
        {
            throw new OperationCanceledException(_context.RequestAborted);
        }
    }

    public void Dispose() => Json.Dispose();
}
