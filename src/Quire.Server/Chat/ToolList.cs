using System.Text.Json;
using Quire.Server.Http;

namespace Quire.Server.Chat;

/// <summary>
/// Tools as templates print them: fields in vLLM's order (type, then name, description and parameters of the function), so that the
/// prompt does not depend on the order in which a client wrote them.
/// </summary>
internal static class ToolList
{
    public static OwnedJson From(JsonElement tools) => tools.ValueKind != JsonValueKind.Array
        ? OwnedJson.Nothing
        : OwnedJson.Create(tools, static (json, list) =>
        {
            json.WriteStartArray();
            foreach (JsonElement tool in list.EnumerateArray())
            {
                WriteTool(json, tool);
            }

            json.WriteEndArray();
        });

    private static void WriteTool(Utf8JsonWriter json, JsonElement tool)
    {
        JsonElement function = tool.GetProperty("function");
        json.WriteStartObject();
        json.WriteString("type"u8, "function"u8);
        json.WriteStartObject("function"u8);
        Copy(json, function, "name");
        Copy(json, function, "description");
        Copy(json, function, "parameters");
        foreach (JsonProperty property in function.EnumerateObject())
        {
            if (!property.NameEquals("name"u8) && !property.NameEquals("description"u8) && !property.NameEquals("parameters"u8))
            {
                property.WriteTo(json);
            }
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Copy(Utf8JsonWriter json, JsonElement owner, string name)
    {
        json.WritePropertyName(name);
        if (owner.TryGetProperty(name, out JsonElement value))
        {
            value.WriteTo(json);
        }
        else
        {
            json.WriteNullValue();
        }
    }
}
