using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Chat;

/// <summary>The further variables of a template: the server's defaults, what <c>reasoning_effort</c> means, and the request's own on top.</summary>
internal static class TemplateKwargs
{
    public static OwnedJson Merge(string? serverDefaults, ChatTemplateFields fields)
    {
        bool hasOwn = fields.Kwargs.ValueKind == JsonValueKind.Object;
        if (serverDefaults is null && fields.ReasoningEffort is null && !hasOwn)
        {
            return OwnedJson.Nothing;
        }

        using JsonDocument? defaults = serverDefaults is null ? null : JsonDocument.Parse(serverDefaults);
        var merged = new OrderedDictionary<string, JsonElement>();
        if (defaults is not null)
        {
            Take(merged, defaults.RootElement);
        }

        if (hasOwn)
        {
            Take(merged, fields.Kwargs);
        }

        return OwnedJson.Create((merged, fields.ReasoningEffort), static (json, state) =>
        {
            json.WriteStartObject();
            foreach ((string name, JsonElement value) in state.merged)
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }

            if (state.ReasoningEffort is { } effort)
            {
                if (!state.merged.ContainsKey("reasoning_effort"))
                {
                    json.WriteString("reasoning_effort"u8, effort);
                }

                if (!state.merged.ContainsKey("enable_thinking"))
                {
                    json.WriteBoolean("enable_thinking"u8, effort != "none");
                }
            }

            json.WriteEndObject();
        });
    }

    private static void Take(OrderedDictionary<string, JsonElement> merged, JsonElement variables)
    {
        foreach (JsonProperty property in variables.EnumerateObject())
        {
            merged[JsonValue.NameOf(property, "body.chat_template_kwargs")] = property.Value;
        }
    }
}
