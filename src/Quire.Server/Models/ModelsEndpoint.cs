using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Quire.Engine;
using Quire.Engine.Lora;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Models;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>.</summary>
internal sealed class ModelsEndpoint(ServerContext server)
{
    public Task ListAsync(HttpContext context) => JsonAnswer.WriteAsync(context, 200, server.Engine, static (json, engine) =>
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (string name in engine.Model.ServedNames)
        {
            WriteCard(json, Card.Of(engine.Model, name));
        }

        foreach (LoraAdapterInfo adapter in engine.Loras?.Loaded ?? [])
        {
            WriteCard(json, Card.Of(engine.Model, adapter));
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    public Task GetAsync(HttpContext context)
    {
        // A name with a slash may come as %2F, which routing leaves as it is.
        string id = (context.GetRouteValue("id") as string ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        foreach (string name in server.Engine.Model.ServedNames)
        {
            if (string.Equals(name, id, StringComparison.Ordinal))
            {
                return JsonAnswer.WriteAsync(context, 200, Card.Of(server.Engine.Model, name), WriteCard);
            }
        }

        foreach (LoraAdapterInfo adapter in server.Engine.Loras?.Loaded ?? [])
        {
            if (string.Equals(adapter.Request.Name, id, StringComparison.Ordinal))
            {
                return JsonAnswer.WriteAsync(context, 200, Card.Of(server.Engine.Model, adapter), WriteCard);
            }
        }

        throw new ApiException(ApiError.UnknownModel(id.Length <= 200 ? id : id[..200] + "…"));
    }

    private static void WriteCard(Utf8JsonWriter json, Card card)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, card.Id);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, card.Created);
        json.WriteString("owned_by"u8, "quire"u8);
        json.WriteString("root"u8, card.Root);
        json.WriteString("parent"u8, card.Parent);
        if (card.MaxModelLen is { } length)
        {
            json.WriteNumber("max_model_len"u8, length);
        }
        else
        {
            json.WriteNull("max_model_len"u8);
        }

        json.WriteStartArray("permission"u8);
        json.WriteStartObject();
        json.WriteString("id"u8, "modelperm-" + Guid.NewGuid().ToString("N"));
        json.WriteString("object"u8, "model_permission"u8);
        json.WriteNumber("created"u8, card.Created);
        foreach ((string right, bool isGiven) in Rights)
        {
            json.WriteBoolean(right, isGiven);
        }

        json.WriteString("organization"u8, "*"u8);
        json.WriteNull("group"u8);
        json.WriteBoolean("is_blocking"u8, false);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>What differs between cards. An adapter has the model as its parent and no length of its own.</summary>
    private sealed record Card(string Id, long Created, string Root, string? Parent, int? MaxModelLen)
    {
        public static Card Of(ModelInfo model, string name) => new(name, model.Created.ToUnixTimeSeconds(), model.Path, null, model.MaxModelLen);

        public static Card Of(ModelInfo model, LoraAdapterInfo adapter) => new(
            adapter.Request.Name, adapter.Created.ToUnixTimeSeconds(), adapter.Request.Path, adapter.Request.BaseModelName ?? model.ServedNames[0], null);
    }

    private static IReadOnlyList<(string Name, bool IsGiven)> Rights { get; } =
    [
        ("allow_create_engine", false), ("allow_sampling", true), ("allow_logprobs", true), ("allow_search_indices", false),
        ("allow_view", true), ("allow_fine_tuning", false),
    ];
}
