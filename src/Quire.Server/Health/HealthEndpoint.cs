using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Health;

/// <summary>The small routes that tell how the server is.</summary>
internal sealed class HealthEndpoint(ServerContext server)
{
    /// <summary>200 without a body while the engine takes requests and makes progress, else 503.</summary>
    public Task HealthAsync(HttpContext context)
    {
        context.Response.StatusCode = server.Engine.Health.IsHealthy && !server.IsDraining
            ? StatusCodes.Status200OK
            : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    public static Task VersionAsync(HttpContext context) => JsonAnswer.WriteAsync(context, 200, ServerContext.Version, static (json, version) =>
    {
        json.WriteStartObject();
        json.WriteString("version"u8, version);
        json.WriteEndObject();
    });

    /// <summary>The requests in work, when the server counts them.</summary>
    public Task LoadAsync(HttpContext context)
    {
        int load = server.Options.EnableServerLoadTracking ? server.InWork : 0;
        return JsonAnswer.WriteAsync(context, 200, load, static (json, number) =>
        {
            json.WriteStartObject();
            json.WriteNumber("server_load"u8, number);
            json.WriteEndObject();
        });
    }
}
