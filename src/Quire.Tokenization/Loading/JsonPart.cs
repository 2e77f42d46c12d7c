using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Quire.Tokenization.Loading;

/// <summary>
/// One value of a JSON file together with where it stands, so that every complaint names the file, the field and the value. Reads only what
/// it is asked for; whatever has another shape than asked is a <see cref="TokenizerException"/>.
/// </summary>
internal readonly struct JsonPart
{
    // Nothing in these files nests deeper than about ten levels; the reader refuses the rest before it can exhaust the stack.
    private const int DepthMax = 64;
    private const long FileBytesMax = 512L << 20;
    private const int ShownMax = 80;

    private readonly string _file;
    private readonly JsonElement _element;

    // Where the value stands: the path of what it is in, and its name or number there. Put together only when somebody asks.
    private readonly string _outer;
    private readonly string? _name;
    private readonly int _index;

    private JsonPart(string file, string outer, string? name, int index, JsonElement element)
    {
        _file = file;
        _outer = outer;
        _name = name;
        _index = index;
        _element = element;
    }

    public JsonValueKind Kind => _element.ValueKind;

    public bool IsNull => _element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public JsonElement Element => _element;

    private string Path => _name is null ? (_index < 0 ? _outer : $"{_outer}[{_index}]")
        : _outer.Length == 0 ? _name
        : $"{_outer}.{_name}";

    /// <summary>Parses a file; the root must be an object.</summary>
    public static JsonPart ReadFile(string path)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            long length = RandomAccess.GetLength(handle);
            if (length > FileBytesMax)
                throw new TokenizerException($"{path} has {length} bytes; at most {FileBytesMax} are read.");
            return Parse(System.IO.Path.GetFileName(path), File.ReadAllBytes(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Parses the bytes of a file; the root must be an object.</summary>
    public static JsonPart Parse(string file, ReadOnlyMemory<byte> json)
    {
        // A byte order mark is no part of the text.
        if (json.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            json = json[3..];
        try
        {
            JsonElement element = JsonElement.Parse(json.Span, new JsonDocumentOptions { MaxDepth = DepthMax });
            var root = new JsonPart(file, string.Empty, null, -1, element);
            return root.Kind == JsonValueKind.Object ? root : throw root.Error("must be an object");
        }
        catch (JsonException exception)
        {
            throw new TokenizerException($"{file} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The complaint that this value <paramref name="problem"/>.</summary>
    public TokenizerException Error(string problem)
    {
        string path = Path;
        string where = path.Length == 0 ? _file : $"{_file}: {path}";
        if (_element.ValueKind == JsonValueKind.Undefined)
            return new TokenizerException($"{where} {problem}; it is missing.");
        string shown = _element.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "an array",
            JsonValueKind.String => $"\"{Text()}\"",
            _ => _element.GetRawText(),
        };
        return new TokenizerException($"{where} {problem}; it is {(shown.Length > ShownMax ? shown[..ShownMax] + "…" : shown)}.");
    }

    /// <summary>A field of this object, as an undefined part when it is absent.</summary>
    public JsonPart Field(string name)
    {
        if (_element.ValueKind != JsonValueKind.Object)
            throw Error("must be an object");
        try
        {
            return new JsonPart(_file, Path, name, -1, _element.TryGetProperty(name, out JsonElement value) ? value : default);
        }
        catch (InvalidOperationException exception)
        {
            // A field name with half a surrogate pair in it, met on the way.
            throw new TokenizerException($"{_file}: {Path}.{name} stands beside a field name that is not valid Unicode.", exception);
        }
    }

    public IEnumerable<JsonPart> Items()
    {
        if (_element.ValueKind != JsonValueKind.Array)
            throw Error("must be an array");
        string path = Path;
        int index = 0;
        foreach (JsonElement item in _element.EnumerateArray())
            yield return new JsonPart(_file, path, null, index++, item);
    }

    public IEnumerable<(string Name, JsonPart Value)> Fields()
    {
        if (_element.ValueKind != JsonValueKind.Object)
            throw Error("must be an object");
        string path = Path;
        foreach (JsonProperty field in _element.EnumerateObject())
        {
            string name = NameOf(field);
            yield return (name, new JsonPart(_file, path, name, -1, field.Value));
        }
    }

    public string Text() => _element.ValueKind == JsonValueKind.String ? TextOf(_element) : throw Error("must be a string");

    /// <summary>The text of a string within this value.</summary>
    public string TextOf(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new TokenizerException($"{_file}: {Path} is not valid Unicode.", exception);
        }
    }

    public string? OptionalText() => IsNull ? null : Text();

    public bool Flag(bool absent) => _element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null or JsonValueKind.Undefined => absent,
        _ => throw Error("must be true or false"),
    };

    /// <summary>An integer within bounds, both included.</summary>
    public int Integer(int least, int most)
    {
        if (_element.ValueKind != JsonValueKind.Number || !_element.TryGetInt32(out int value) || value < least || value > most)
            throw Error($"must be an integer from {least} to {most}");
        return value;
    }

    /// <summary>The <c>type</c> of a component.</summary>
    public string TypeName() => Field("type").Text();

    private string NameOf(JsonProperty field)
    {
        try
        {
            return field.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new TokenizerException($"{_file}: {Path} has a field name that is not valid Unicode.", exception);
        }
    }
}
