using System;
using System.Text.Json;

namespace Quire.Server.Http;

/// <summary>JSON that the server put together itself, readable until it is disposed. The default is nothing: an undefined root.</summary>
internal sealed class OwnedJson : IDisposable
{
    private const int DepthMax = 512;

    private readonly PooledBuffer? _buffer;
    private readonly JsonDocument? _document;

    private OwnedJson(PooledBuffer? buffer, JsonDocument? document)
    {
        _buffer = buffer;
        _document = document;
    }

    public static OwnedJson Nothing { get; } = new(null, null);

    public JsonElement Root => _document?.RootElement ?? default;

    /// <summary>What <paramref name="write"/> writes.</summary>
    public static OwnedJson Create<TState>(TState state, Action<Utf8JsonWriter, TState> write)
    {
        var buffer = new PooledBuffer();
        try
        {
            using (var json = new Utf8JsonWriter(buffer, JsonText.WriterOptions))
            {
                write(json, state);
            }

            return new OwnedJson(buffer, JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = DepthMax }));
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _document?.Dispose();
        _buffer?.Dispose();
    }
}
