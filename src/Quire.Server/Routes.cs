using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Quire.Server.Chat;
using Quire.Server.Completions;
using Quire.Server.Health;
using Quire.Server.Http;
using Quire.Server.Metrics;
using Quire.Server.Models;
using Quire.Server.Serving;
using Quire.Server.Tokenize;

namespace Quire.Server;

/// <summary>One path of the server.</summary>
/// <param name="Pattern">Its route pattern.</param>
/// <param name="Methods">Methods; HEAD comes with GET, OPTIONS with every path.</param>
/// <param name="Summary">For <c>/openapi.json</c>.</param>
/// <param name="Handler">What answers.</param>
internal sealed record Route(string Pattern, IReadOnlyList<string> Methods, string Summary, RequestDelegate Handler)
{
    /// <summary>Whether it answers without a key. Only health checks do.</summary>
    public bool IsOpen { get; init; }
}

/// <summary>Every path of the server, in one list.</summary>
internal static class Routes
{
    private static readonly string[] Get = ["GET", "HEAD"];
    private static readonly string[] Post = ["POST"];
    private static readonly string[] GetAndPost = ["GET", "HEAD", "POST"];

    public static IReadOnlyList<Route> Create(ServerContext server)
    {
        var health = new HealthEndpoint(server);
        var models = new ModelsEndpoint(server);
        var routes = new List<Route>
        {
            new("/health", Get, "Whether the engine makes progress", health.HealthAsync) { IsOpen = true },
            new("/ping", GetAndPost, "The same", health.HealthAsync) { IsOpen = true },
            new("/version", Get, "Version of the server", HealthEndpoint.VersionAsync),
            new("/load", Get, "Requests in work", health.LoadAsync),
            new("/metrics", Get, "Metrics in Prometheus text format", new MetricsEndpoint(server).HandleAsync),
            new("/v1/models", Get, "The models", models.ListAsync),
            new("/v1/models/{**id}", Get, "One model", models.GetAsync),
            new("/v1/completions", Post, "Continue a text", Work(server, new CompletionsEndpoint(server).HandleAsync)),
            new("/v1/chat/completions", Post, "Answer a conversation", Work(server, new ChatEndpoint(server).HandleAsync)),
            new("/v1/chat/completions/batch", Post, "Answer several conversations", Work(server, new ChatBatchEndpoint(server).HandleAsync)),
            new("/tokenize", Post, "Text or conversation to tokens", new TokenizeEndpoint(server).HandleAsync),
            new("/detokenize", Post, "Tokens to text", new DetokenizeEndpoint(server).HandleAsync),
        };
        if (server.Options.AllowRuntimeLoraUpdating)
        {
            var loras = new LoraEndpoint(server);
            routes.Add(new Route("/v1/load_lora_adapter", Post, "Load a LoRA adapter from a folder of the server", loras.LoadAsync));
            routes.Add(new Route("/v1/unload_lora_adapter", Post, "Unload a LoRA adapter", loras.UnloadAsync));
        }

        if (!server.Options.DisableDocs)
        {
            routes.Add(new Route("/openapi.json", Get, "This description", new OpenApiEndpoint(routes).HandleAsync));
        }

        return routes;
    }

    public static void Map(IEndpointRouteBuilder builder, IReadOnlyList<Route> routes)
    {
        foreach (Route route in routes)
        {
            IEndpointConventionBuilder endpoint = builder.MapMethods(route.Pattern, route.Methods, route.Handler);
            string allow = string.Join(", ", route.Methods) + ", OPTIONS";
            IEndpointConventionBuilder options = builder.MapMethods(route.Pattern, ["OPTIONS"], (RequestDelegate)(context => AnswerOptions(context, allow)));
            if (route.IsOpen)
            {
                endpoint.WithMetadata(OpenToAll.Instance);
                options.WithMetadata(OpenToAll.Instance);
            }
        }
    }

    /// <summary>Counts a request as work, and refuses it when the server is stopping.</summary>
    private static RequestDelegate Work(ServerContext server, Func<HttpContext, Task> handler) => async context =>
    {
        if (server.IsDraining)
        {
            throw new ApiException(ApiError.ShuttingDown());
        }

        server.EnterWork();
        try
        {
            await handler(context);
        }
        finally
        {
            server.LeaveWork();
        }
    };

    private static Task AnswerOptions(HttpContext context, string allow)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        context.Response.Headers.Allow = allow;
        return Task.CompletedTask;
    }
}
