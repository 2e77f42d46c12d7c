using System;
using System.Text.Json;
using System.Text.Unicode;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Quire.Server.Http;

/// <summary>A request body that is a JSON object. The elements of <see cref="Root"/> are valid until it is disposed.</summary>
internal sealed class JsonBody : IDisposable
{
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly PooledBuffer _buffer;
    private readonly JsonDocument _document;

    private JsonBody(PooledBuffer buffer, JsonDocument document)
    {
        _buffer = buffer;
        _document = document;
    }

    public JsonElement Root => _document.RootElement;

    /// <summary>Reads and parses the body. Its size is bounded by the server's limit on bodies.</summary>
    /// <exception cref="ApiException">The body is not JSON, not an object, or too deep.</exception>
    public static async Task<JsonBody> ReadAsync(HttpContext context, int depthMax)
    {
        CheckHeaders(context.Request);
        var buffer = new PooledBuffer(16384);
        try
        {
            int read;
            do
            {
                read = await context.Request.Body.ReadAsync(buffer.GetMemory(4096), context.RequestAborted);
                buffer.Advance(read);
            }
            while (read > 0);
            return new JsonBody(buffer, Parse(buffer.WrittenMemory, depthMax));
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _document.Dispose();
        _buffer.Dispose();
    }

    private static void CheckHeaders(HttpRequest request)
    {
        string? type = request.ContentType;
        ReadOnlySpan<char> mediaType = type.AsSpan();
        int parameters = mediaType.IndexOf(';');
        mediaType = (parameters < 0 ? mediaType : mediaType[..parameters]).Trim();
        if (!mediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
        {
            throw new ApiException(ApiError.Schema("body", "the Content-Type of the request must be application/json"));
        }

        StringValues encoding = request.Headers.ContentEncoding;
        if (encoding.Count > 0 && !string.Equals(encoding.ToString(), "identity", StringComparison.OrdinalIgnoreCase))
        {
            throw new ApiException(new ApiError(415, ApiError.SchemaType, "Compressed request bodies are not accepted; send the JSON as it is.", "body"));
        }
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes, int depthMax)
    {
        if (bytes.Span.StartsWith(ByteOrderMark))
        {
            bytes = bytes[ByteOrderMark.Length..];
        }

        if (bytes.IsEmpty)
        {
            throw new ApiException(ApiError.Schema("body", "the body is empty; it must be a JSON object"));
        }

        if (!Utf8.IsValid(bytes.Span))
        {
            throw new ApiException(ApiError.Schema("body", "the body is not valid UTF-8"));
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = depthMax });
        }
        catch (JsonException exception)
        {
            string place = exception.LineNumber is { } line ? $" at line {line + 1}, byte {exception.BytePositionInLine + 1}" : "";
            throw new ApiException(ApiError.Schema("body",
                $"the body is not valid JSON{place} (NaN and Infinity are not JSON, and at most {depthMax} brackets may be open at once)"));
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            throw new ApiException(ApiError.Schema("body", "the body must be a JSON object"));
        }

        return document;
    }
}
