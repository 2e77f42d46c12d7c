using System;
using System.Buffers;
using System.IO;
using System.Text.Json;

namespace Quire.Models.Config;

/// <summary>Reads the small JSON files of a model folder with bounds on size and depth.</summary>
internal static class JsonFile
{
    private const int MaxDepth = 32;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    /// <summary>The root object of a file of at most <paramref name="maxBytes"/>.</summary>
    /// <exception cref="CheckpointException">No such file, too large, or not a JSON object.</exception>
    public static JsonElement Read(string path, long maxBytes)
    {
        string name = Path.GetFileName(path);
        byte[] bytes;
        try
        {
            long length = FileSize.Of(path);
            if (length > maxBytes)
            {
                throw new CheckpointException(CheckpointProblem.Malformed, $"{name} has {length} bytes, more than the limit of {maxBytes}");
            }

            bytes = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(CheckpointProblem.MissingFile, $"{path} does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(CheckpointProblem.MissingFile, $"{path} cannot be read: {error.Message}", error);
        }

        return Parse(bytes, name);
    }

    /// <summary>Parses one JSON object; duplicate keys are refused.</summary>
    public static JsonElement Parse(ReadOnlyMemory<byte> json, string name)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(SkipByteOrderMark(json), Options);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new CheckpointException(CheckpointProblem.Malformed, $"{name} must hold a JSON object, not {document.RootElement.ValueKind}");
            }

            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new CheckpointException(CheckpointProblem.Malformed, $"{name} is not valid JSON: {error.Message}", error);
        }
    }

    /// <summary>
    /// <paramref name="over"/> laid over <paramref name="under"/>: objects in both are merged key by key, anything else is replaced.
    /// </summary>
    public static JsonElement Merge(JsonElement under, JsonElement over)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            WriteMerged(writer, under, over);
        }

        using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory, Options);
        return document.RootElement.Clone();
    }

    private static void WriteMerged(Utf8JsonWriter writer, JsonElement under, JsonElement over)
    {
        if (under.ValueKind != JsonValueKind.Object || over.ValueKind != JsonValueKind.Object)
        {
            over.WriteTo(writer);
            return;
        }

        writer.WriteStartObject();
        foreach (JsonProperty property in under.EnumerateObject())
        {
            writer.WritePropertyName(property.Name);
            if (over.TryGetProperty(property.Name, out JsonElement replacement))
            {
                WriteMerged(writer, property.Value, replacement);
            }
            else
            {
                property.Value.WriteTo(writer);
            }
        }

        foreach (JsonProperty property in over.EnumerateObject())
        {
            if (!under.TryGetProperty(property.Name, out _))
            {
                property.WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }

    private static ReadOnlyMemory<byte> SkipByteOrderMark(ReadOnlyMemory<byte> json) =>
        json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json;
}
