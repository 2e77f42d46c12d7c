using System;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Quire.Engine.Options;

/// <summary>Sets one value inside a JSON object by dotted keys, as in <c>--speculative-config.method ngram</c>.</summary>
internal static class JsonPath
{
    /// <summary>A copy of <paramref name="root"/> with the value set, or appended to a list; false with a clause when the path runs into something else.</summary>
    public static bool TrySet(JsonElement root, string path, bool append, string text, out JsonElement result, out string problem)
    {
        result = default;
        problem = "";
        string[] keys = path.Split('.');
        if (keys.Length > 32 || Array.Exists(keys, key => key.Length == 0))
        {
            problem = "the dotted key is empty or too deep";
            return false;
        }

        JsonObject top = root.ValueKind == JsonValueKind.Object ? JsonObject.Create(root)! : [];
        JsonObject parent = top;
        foreach (string key in keys.AsSpan(0, keys.Length - 1))
        {
            JsonNode? child = parent[key];
            if (child is null)
                parent[key] = child = new JsonObject();
            if (child is not JsonObject inner)
            {
                problem = $"{key} is set to {child.ToJsonString()} and has no keys";
                return false;
            }

            parent = inner;
        }

        string last = keys[^1];
        JsonNode value = Parse(text);
        if (!append)
        {
            parent[last] = value;
        }
        else
        {
            if (parent[last] is not JsonArray list)
                parent[last] = list = [];
            list.Add(value);
        }

        using var document = JsonDocument.Parse(top.ToJsonString());
        result = document.RootElement.Clone();
        return true;
    }

    /// <summary>JSON where the text is JSON, otherwise the text itself.</summary>
    private static JsonNode Parse(string text)
    {
        if (OptionValue.TryParseJson(text, out JsonElement json))
        {
            return json.ValueKind switch
            {
                JsonValueKind.Object => JsonObject.Create(json)!,
                JsonValueKind.Array => JsonArray.Create(json)!,
                JsonValueKind.Null => JsonValue.Create(json)!,
                _ => JsonValue.Create(json)!,
            };
        }

        return text switch
        {
            "True" => JsonValue.Create(true),
            "False" => JsonValue.Create(false),
            _ => JsonValue.Create(text),
        };
    }
}
