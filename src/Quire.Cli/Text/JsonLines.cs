using System;
using System.Buffers;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Quire.Engine;

namespace Quire.Cli.Text;

/// <summary>One line of a JSON Lines file.</summary>
/// <param name="Number">Counted from 1, blank lines included.</param>
/// <param name="Text">Without the line end.</param>
internal readonly record struct JsonLine(int Number, string Text);

/// <summary>Reads JSON Lines; a JSON array with one entry a line is read as well. Only one line is in memory at a time.</summary>
internal static class JsonLines
{
    private static readonly JsonDocumentOptions Limits = new() { MaxDepth = 128 };

    /// <summary>Non-empty lines; the brackets and commas of an array with an entry a line are taken off.</summary>
    public static IEnumerable<JsonLine> Read(TextReader reader)
    {
        int number = 0;
        bool isArray = false;
        bool isFirst = true;
        while (reader.ReadLine() is { } line)
        {
            number++;
            ReadOnlySpan<char> text = line.AsSpan().Trim().Trim('\uFEFF');
            if (text.Length == 0)
                continue;
            if (isFirst && text[0] == '[')
            {
                isArray = true;
                text = text[1..].Trim();
            }

            isFirst = false;
            if (isArray)
                text = text.TrimEnd(',').TrimEnd();
            if (isArray && text.Length > 0 && text[^1] == ']' && !IsWhole(text))
                text = text[..^1].Trim();
            if (text.Length > 0)
                yield return new JsonLine(number, text.Length == line.Length ? line : text.ToString());
        }
    }

    /// <summary>Parses a line that must hold an object.</summary>
    /// <exception cref="QuireException">It does not; the error is about this row only.</exception>
    public static JsonElement ParseObject(JsonLine line)
    {
        try
        {
            using var document = JsonDocument.Parse(line.Text, Limits);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Bad($"line {line.Number} must hold a JSON object, not {document.RootElement.ValueKind.ToString().ToLowerInvariant()}");
            return document.RootElement.Clone();
        }
        catch (JsonException failure)
        {
            throw Bad($"line {line.Number} is not JSON: {failure.Message}");
        }
    }

    public static QuireException Bad(string message, string? field = null) => new(ErrorCodes.BadRequest, ErrorKind.Request, message, field);

    private static bool IsWhole(ReadOnlySpan<char> text)
    {
        int depth = 0;
        bool quoted = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (quoted)
            {
                if (c == '\\')
                    i++;
                else if (c == '"')
                    quoted = false;
            }
            else if (c == '"')
            {
                quoted = true;
            }
            else if (c is '[' or '{')
            {
                depth++;
            }
            else if (c is ']' or '}')
            {
                depth--;
            }
        }

        return depth == 0;
    }
}

/// <summary>Writes one JSON object a line.</summary>
internal sealed class JsonRowWriter : IDisposable
{
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly TextWriter _output;

    public JsonRowWriter(TextWriter output, bool indented = false)
    {
        _output = output;
        Json = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = indented, MaxDepth = 256 });
    }

    /// <summary>Where the row is written, before <see cref="EndRow"/>.</summary>
    public Utf8JsonWriter Json { get; }

    /// <summary>Sends the row as a line.</summary>
    public void EndRow()
    {
        Json.Flush();
        _output.WriteLine(Encoding.UTF8.GetString(_buffer.WrittenSpan));
        Discard();
    }

    /// <summary>Throws away a row that was begun.</summary>
    public void Discard()
    {
        _buffer.ResetWrittenCount();
        Json.Reset();
    }

    /// <summary><c>"error": {"code", "message"}</c>.</summary>
    public void WriteError(Exception failure)
    {
        Json.WriteStartObject("error");
        Json.WriteString("code", failure is QuireException known ? known.Code : ErrorCodes.RequestFailed);
        Json.WriteString("message", failure.Message);
        Json.WriteEndObject();
    }

    public void Dispose() => Json.Dispose();
}
