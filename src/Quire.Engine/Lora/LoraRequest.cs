using System;
using System.Text.Json;

namespace Quire.Engine.Lora;

/// <summary>A LoRA adapter by name and place, as <c>--lora-modules</c> and the API of loading take it.</summary>
/// <param name="Name">The name that requests use.</param>
/// <param name="Path">Folder with adapter_config.json and adapter_model.safetensors.</param>
/// <param name="BaseModelName">What <c>/v1/models</c> gives as parent; null for the served model.</param>
public sealed record LoraRequest(string Name, string Path, string? BaseModelName = null)
{
    /// <summary>Reads <c>name=path</c>, or a JSON object with name, path and base_model_name.</summary>
    /// <exception cref="QuireException">It is neither.</exception>
    public static LoraRequest Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.TrimStart().StartsWith('{'))
        {
            return ParseJson(text);
        }

        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && equals < text.Length - 1
            ? new LoraRequest(text[..equals].Trim(), text[(equals + 1)..].Trim())
            : throw Bad($"got '{text}'");
    }

    private static LoraRequest ParseJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            foreach (JsonProperty property in root.EnumerateObject())
            {
                if (property.Name is not ("name" or "path" or "base_model_name"))
                {
                    throw Bad($"it has no key '{property.Name}'");
                }
            }

            return new LoraRequest(Text(root, "name") ?? throw Bad("name is missing"), Text(root, "path") ?? throw Bad("path is missing"), Text(root, "base_model_name"));
        }
        catch (JsonException)
        {
            throw Bad($"'{text}' is not valid JSON");
        }
    }

    private static string? Text(JsonElement root, string key) => !root.TryGetProperty(key, out JsonElement value) ? null : value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Null => null,
        _ => throw Bad($"{key} must be a text"),
    };

    private static QuireException Bad(string what) => new(ErrorCodes.InvalidOption, ErrorKind.Usage,
        $"lora_modules takes name=path, or JSON such as {{\"name\": \"a\", \"path\": \"adapters/a\"}}; {what}", "lora_modules");
}
