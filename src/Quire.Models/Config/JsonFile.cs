using System;
using System.Buffers;
using System.IO;
using System.Text.Json;
using System.Text.Unicode;

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
        if (!Utf8.IsValid(json.Span))
        {
            throw new CheckpointException(CheckpointProblem.Malformed, $"{name} is not valid JSON: it is not UTF-8");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(SkipByteOrderMark(json), Options);
            ReadTexts(document.RootElement);
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
        catch (InvalidOperationException error)
        {
            throw new CheckpointException(CheckpointProblem.Malformed, $"{name} has a text with half a surrogate pair, which is not valid Unicode", error);
        }
    }

    /// <summary>Half a surrogate pair can be written as an escape, and shows only when a text is read; so all are read here, once.</summary>
    /// <exception cref="InvalidOperationException">A text is not valid Unicode.</exception>
    private static void ReadTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    ReadTexts(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    ReadTexts(item);
                }

                break;
            case JsonValueKind.String:
                _ = element.GetString();
                break;
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
