using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Quire.Engine;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Models;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>.</summary>
internal sealed class ModelsEndpoint(ServerContext server)
{
    public Task ListAsync(HttpContext context) => JsonAnswer.WriteAsync(context, 200, server.Engine.Model, static (json, model) =>
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (string name in model.ServedNames)
        {
            WriteCard(json, model, name);
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
                return JsonAnswer.WriteAsync(context, 200, (server.Engine.Model, name), static (json, state) => WriteCard(json, state.Model, state.name));
            }
        }

        throw new ApiException(ApiError.UnknownModel(id.Length <= 200 ? id : id[..200] + "…"));
    }

    private static void WriteCard(Utf8JsonWriter json, ModelInfo model, string name)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, name);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, model.Created.ToUnixTimeSeconds());
        json.WriteString("owned_by"u8, "quire"u8);
        json.WriteString("root"u8, model.Path);
        json.WriteNull("parent"u8);
        json.WriteNumber("max_model_len"u8, model.MaxModelLen);
        json.WriteStartArray("permission"u8);
        json.WriteStartObject();
        json.WriteString("id"u8, "modelperm-" + Guid.NewGuid().ToString("N"));
        json.WriteString("object"u8, "model_permission"u8);
        json.WriteNumber("created"u8, model.Created.ToUnixTimeSeconds());
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

    private static IReadOnlyList<(string Name, bool IsGiven)> Rights { get; } =
    [
        ("allow_create_engine", false), ("allow_sampling", true), ("allow_logprobs", true), ("allow_search_indices", false),
        ("allow_view", true), ("allow_fine_tuning", false),
    ];
}
