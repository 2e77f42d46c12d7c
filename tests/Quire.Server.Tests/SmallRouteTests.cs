using System;
using System.Linq;
using System.Net.Http;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Engine;

namespace Quire.Server.Tests;

public class SmallRouteTests
{
    [Theory]
    [InlineData("GET", "/health")]
    [InlineData("HEAD", "/health")]
    [InlineData("GET", "/ping")]
    [InlineData("POST", "/ping")]
    public async Task Health_is_an_empty_200_while_the_engine_is_well(string method, string path)
    {
        await using TestServer server = await TestServer.StartAsync();
        using HttpResponseMessage response = await server.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("", await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(EngineState.Stalled)]
    [InlineData(EngineState.Dead)]
    [InlineData(EngineState.Draining)]
    public async Task Health_is_a_503_otherwise(EngineState state)
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Health = new EngineHealth(state, "why") });
        Assert.Equal(503, (int)(await server.Client.GetAsync("/health")).StatusCode);
        Assert.Equal(503, (int)(await server.Client.GetAsync("/ping")).StatusCode);
    }

    [Fact]
    public async Task Models_are_listed_under_every_name()
    {
        await using TestServer server = await TestServer.StartAsync();
        JsonElement list = await GetAsync(server, "/v1/models");
        Assert.Equal(["quill", "org/quill"], list.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("id").GetString()!));
        Assert.Equal(4096, list.GetProperty("data")[0].GetProperty("max_model_len").GetInt32());
        foreach (string path in new[] { "/v1/models/org/quill", "/v1/models/org%2Fquill" })
        {
            Assert.Equal("org/quill", (await GetAsync(server, path)).GetProperty("id").GetString());
        }

        Assert.Equal(404, (int)(await server.Client.GetAsync("/v1/models/nope")).StatusCode);
    }

    [Fact]
    public async Task The_load_counts_work_when_it_is_tracked()
    {
        foreach (bool tracked in new[] { true, false })
        {
            var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
            await using TestServer server = await TestServer.StartAsync(new ServerOptions { EnableServerLoadTracking = tracked }, engine);
            Task<(int Status, JsonElement Body)> running = server.ChatAsync();
            await engine.FirstSubmit.Task;
            Assert.Equal(tracked ? 1 : 0, (await GetAsync(server, "/load")).GetProperty("server_load").GetInt32());
            engine.Gate.Release(1000);
            await running;
            Assert.Equal(0, (await GetAsync(server, "/load")).GetProperty("server_load").GetInt32());
        }
    }

    [Fact]
    public async Task Tokens_of_a_text_and_back()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement tokens) = await server.PostJsonAsync("/tokenize", """{"prompt":"The cat sat.","return_token_strs":true}""");
        Assert.Equal("""{"count":4,"max_model_len":4096,"tokens":[498,2884,2114,22],"token_strs":["The","Ġcat","Ġsat","."]}""", tokens.GetRawText());
        (_, JsonElement text) = await server.PostJsonAsync("/detokenize", """{"tokens":[498,2884,2114,22,99999]}""");
        Assert.Equal("The cat sat.", text.GetProperty("prompt").GetString());
        (_, JsonElement empty) = await server.PostJsonAsync("/tokenize", """{"prompt":""}""");
        Assert.Equal("""{"count":0,"max_model_len":4096,"tokens":[],"token_strs":null}""", empty.GetRawText());
        (_, JsonElement chat) = await server.PostJsonAsync("/tokenize", """{"messages":[{"role":"user","content":"a"}]}""");
        Assert.Equal(FakeEngine.Quill.Encode("user: a\nassistant:", false).Length, chat.GetProperty("count").GetInt32());
    }

    [Theory]
    [InlineData("/tokenize", "{}", "body.prompt")]
    [InlineData("/tokenize", "{\"prompt\":[1]}", "body.prompt")]
    [InlineData("/detokenize", "{}", "body.tokens")]
    [InlineData("/detokenize", "{\"tokens\":[-1]}", "body.tokens[0]")]
    [InlineData("/detokenize", "{\"tokens\":[1.5]}", "body.tokens[0]")]
    public async Task Wrong_token_requests_are_named(string path, string json, string param)
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.PostJsonAsync(path, json);
        Assert.Equal(400, status);
        Assert.Equal(param, body.GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task The_description_names_every_path_unless_it_is_off()
    {
        await using TestServer server = await TestServer.StartAsync();
        JsonElement paths = (await GetAsync(server, "/openapi.json")).GetProperty("paths");
        Assert.Equal(
            server.App.Routes.Select(r => r.Pattern.Replace("{**", "{", StringComparison.Ordinal)).Order(),
            paths.EnumerateObject().Select(p => p.Name).Order());
        await using TestServer quiet = await TestServer.StartAsync(new ServerOptions { DisableDocs = true });
        Assert.Equal(404, (int)(await quiet.Client.GetAsync("/openapi.json")).StatusCode);
    }

    [Fact]
    public async Task Options_tells_the_methods_of_a_path()
    {
        await using TestServer server = await TestServer.StartAsync();
        using HttpResponseMessage response = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Options, "/v1/chat/completions"));
        Assert.Equal(204, (int)response.StatusCode);
        Assert.Equal(["POST", "OPTIONS"], response.Content.Headers.Allow);
    }

    [Fact]
    public async Task A_root_path_is_taken_off()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { RootPath = "/llm" });
        Assert.Equal(200, (int)(await server.Client.GetAsync("/llm/v1/models")).StatusCode);
        Assert.Equal(200, (int)(await server.Client.GetAsync("/v1/models")).StatusCode);
    }

    private static async Task<JsonElement> GetAsync(TestServer server, string path) =>
        JsonDocument.Parse(await server.Client.GetStringAsync(path)).RootElement;
}
