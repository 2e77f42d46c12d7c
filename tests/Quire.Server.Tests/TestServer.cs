using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Quire.Engine;
using Quire.Server.Serving;

namespace Quire.Server.Tests;

/// <summary>A real server on a free loopback port.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private TestServer(ServerApp app, FakeEngine? engine)
    {
        App = app;
        FakeEngineOrNull = engine;
        Client = new HttpClient { BaseAddress = new Uri(app.Addresses[0]), Timeout = TimeSpan.FromSeconds(60) };
    }

    public ServerApp App { get; }

    public HttpClient Client { get; }

    public FakeEngine Engine => FakeEngineOrNull!;

    public Uri Address => Client.BaseAddress!;

    private FakeEngine? FakeEngineOrNull { get; }

    public static async Task<TestServer> StartAsync(ServerOptions? options = null, FakeEngine? engine = null, ILoggerFactory? logs = null)
    {
        engine ??= new FakeEngine();
        options = (options ?? new ServerOptions()) with { Port = 0 };
        return new TestServer(await ServerApp.StartAsync(options, (IServedEngine)engine, logs), engine);
    }

    /// <summary>A server in front of a real engine.</summary>
    public static async Task<TestServer> StartAsync(ServerOptions options, InferenceEngine engine) =>
        new(await ServerApp.StartAsync(options with { Port = 0 }, engine), null);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await App.DisposeAsync();
    }

    public Task<HttpResponseMessage> PostAsync(string path, string json, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return Client.SendAsync(request);
    }

    /// <summary>The answer as JSON, whatever its status.</summary>
    public async Task<(int Status, JsonElement Body)> PostJsonAsync(string path, string json, params (string Name, string Value)[] headers)
    {
        using HttpResponseMessage response = await PostAsync(path, json, headers);
        string text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, JsonDocument.Parse(text).RootElement);
    }

    /// <summary>A chat request with one message and these further fields.</summary>
    public Task<(int Status, JsonElement Body)> ChatAsync(string fields = "") =>
        PostJsonAsync("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"hi"}]{{Comma(fields)}}}""");

    public Task<(int Status, JsonElement Body)> CompleteAsync(string fields = "") =>
        PostJsonAsync("/v1/completions", $$"""{"prompt":"The cat"{{Comma(fields)}}}""");

    /// <summary>The data of all events of a stream, in order.</summary>
    public async Task<List<string>> StreamAsync(string path, string json)
    {
        using HttpResponseMessage response = await PostAsync(path, json);
        string text = await response.Content.ReadAsStringAsync();
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        return [.. text[..^2].Split("\n\n").Select(block =>
        {
            Assert.StartsWith("data: ", block, StringComparison.Ordinal);
            Assert.DoesNotContain("\n", block, StringComparison.Ordinal);
            return block["data: ".Length..];
        })];
    }

    /// <summary>A stream whose last event is [DONE]; the chunks before it.</summary>
    public async Task<List<JsonElement>> ChunksAsync(string path, string json)
    {
        List<string> events = await StreamAsync(path, json);
        Assert.Equal("[DONE]", events[^1]);
        return [.. events.Take(events.Count - 1).Select(data => JsonDocument.Parse(data).RootElement)];
    }

    private static string Comma(string fields) => fields.Length == 0 ? "" : "," + fields;
}
