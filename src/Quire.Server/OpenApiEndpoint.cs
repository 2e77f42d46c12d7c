using System.Collections.Generic;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server;

/// <summary><c>GET /openapi.json</c>: the paths of the server. Bodies are those of OpenAI's and vLLM's API.</summary>
internal sealed class OpenApiEndpoint(IReadOnlyList<Route> routes)
{
    public Task HandleAsync(HttpContext context) => JsonAnswer.WriteAsync(context, 200, routes, static (json, all) =>
    {
        json.WriteStartObject();
        json.WriteString("openapi"u8, "3.1.0"u8);
        json.WriteStartObject("info"u8);
        json.WriteString("title"u8, "Quire"u8);
        json.WriteString("version"u8, ServerContext.Version);
        json.WriteEndObject();
        json.WriteStartObject("paths"u8);
        foreach (Route route in all)
        {
            json.WriteStartObject(route.Pattern.Replace("{**", "{", System.StringComparison.Ordinal));
            foreach (string method in route.Methods)
            {
                WriteOperation(json, route, method);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static void WriteOperation(System.Text.Json.Utf8JsonWriter json, Route route, string method)
    {
        json.WriteStartObject(method.ToLowerInvariant());
        json.WriteString("summary"u8, route.Summary);
        if (method == "POST" && !route.IsOpen)
        {
            json.WriteStartObject("requestBody"u8);
            json.WriteBoolean("required"u8, true);
            json.WriteStartObject("content"u8);
            json.WriteStartObject("application/json"u8);
            json.WriteStartObject("schema"u8);
            json.WriteString("type"u8, "object"u8);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteStartObject("responses"u8);
        json.WriteStartObject("200"u8);
        json.WriteString("description"u8, route.Summary);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
