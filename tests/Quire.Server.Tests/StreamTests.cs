using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;

namespace Quire.Server.Tests;

public class StreamTests
{
    private const string Chat = """{"messages":[{"role":"user","content":"hi"}],"stream":true,"temperature":1""";

    [Fact]
    public async Task A_chat_stream_begins_with_the_role_and_ends_with_the_reason()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/chat/completions", Chat + "}");
        Assert.Single(chunks.Select(c => (c.GetProperty("id").GetString(), c.GetProperty("created").GetInt64(), c.GetProperty("model").GetString())).Distinct());
        Assert.All(chunks, c => Assert.Equal("chat.completion.chunk", c.GetProperty("object").GetString()));
        Assert.Equal(
            """[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]""",
            chunks[0].GetProperty("choices").GetRawText());
        Assert.Equal(JsonValueKind.Null, chunks[0].GetProperty("prompt_token_ids").ValueKind);
        Assert.False(chunks[1].TryGetProperty("usage", out _));
        JsonElement last = chunks[^1].GetProperty("choices")[0];
        Assert.Equal("stop", last.GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.Null, last.GetProperty("stop_reason").ValueKind);
        Assert.All(chunks.Take(chunks.Count - 1), c => Assert.False(c.TryGetProperty("system_fingerprint", out _)));
        Assert.StartsWith("quire-", chunks[^1].GetProperty("system_fingerprint").GetString(), StringComparison.Ordinal);
        Assert.Equal("one two three", Text(chunks, 0));
    }

    [Fact]
    public async Task Usage_comes_last_in_a_chunk_without_choices()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/chat/completions", Chat + ",\"stream_options\":{\"include_usage\":true}}");
        Assert.All(chunks.Take(chunks.Count - 1), c => Assert.False(c.TryGetProperty("usage", out _)));
        Assert.Equal("[]", chunks[^1].GetProperty("choices").GetRawText());
        Assert.Equal(FakeEngine.Quill.Encode("one two three", false).Length, chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.True(chunks[^1].TryGetProperty("system_fingerprint", out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Continuous_usage_counts_up_in_every_chunk(bool forced)
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { EnableForceIncludeUsage = forced });
        string options = forced ? "" : ",\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}";
        List<JsonElement> chunks = await server.ChunksAsync("/v1/chat/completions", Chat + options + "}");
        int[] counts = [.. chunks.Select(c => c.GetProperty("usage").GetProperty("completion_tokens").GetInt32())];
        Assert.Equal(counts.Order(), counts);
        Assert.Equal(0, counts[0]);
        Assert.Equal(FakeEngine.Quill.Encode("one two three", false).Length, counts[^1]);
    }

    [Fact]
    public async Task Every_choice_of_a_stream_has_its_own_text_and_end()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/chat/completions", Chat + ",\"n\":3}");
        Assert.Equal([0, 1, 2], chunks.Take(3).Select(c => c.GetProperty("choices")[0].GetProperty("index").GetInt32()));
        for (int choice = 0; choice < 3; choice++)
        {
            Assert.Equal("one two three", Text(chunks, choice));
            Assert.Single(Choices(chunks, choice), c => c.GetProperty("finish_reason").ValueKind == JsonValueKind.String);
        }
    }

    [Fact]
    public async Task A_streamed_completion_of_several_prompts_numbers_choices_by_prompt()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/completions",
            """{"prompt":["a","b","c"],"n":2,"temperature":1,"stream":true,"stream_options":{"include_usage":true}}""");
        for (int choice = 0; choice < 6; choice++)
        {
            Assert.Equal("one two three", string.Concat(Choices(chunks, choice).Select(c => c.GetProperty("text").GetString())));
        }

        Assert.Equal(6 * FakeEngine.Quill.Encode("one two three", false).Length, chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Offsets_of_log_probabilities_go_on_across_chunks_and_the_echo_is_first()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/completions", """{"prompt":"The cat","echo":true,"logprobs":1,"stream":true}""");
        Assert.Equal("The catone", chunks[0].GetProperty("choices")[0].GetProperty("text").GetString());
        int[] offsets = [.. chunks.SelectMany(c => c.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("text_offset").EnumerateArray()).Select(o => o.GetInt32())];
        Assert.Equal([0, 3, 7, 10], offsets.Take(4));
    }

    [Fact]
    public async Task Token_ids_come_with_each_chunk_when_asked_for()
    {
        await using TestServer server = await TestServer.StartAsync();
        List<JsonElement> chunks = await server.ChunksAsync("/v1/chat/completions", Chat + ",\"return_token_ids\":true}");
        Assert.Equal(JsonValueKind.Array, chunks[0].GetProperty("prompt_token_ids").ValueKind);
        int[] ids = [.. chunks.Skip(1).SelectMany(c => c.GetProperty("choices")[0].GetProperty("token_ids").EnumerateArray()).Select(t => t.GetInt32())];
        Assert.Equal(FakeEngine.Quill.Encode("one two three", false), ids);
    }

    [Fact]
    public async Task Text_outside_ASCII_and_line_ends_survive_the_framing()
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Answer = "line\n\nnext \"quoted\" data: x" });
        Assert.Equal("line\n\nnext \"quoted\" data: x", Text(await server.ChunksAsync("/v1/chat/completions", Chat + "}"), 0));
    }

    [Fact]
    public async Task An_error_after_the_start_is_an_event_and_the_stream_still_ends()
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { FailAfterFirst = new InvalidDataException("secret /etc/passwd") });
        List<string> events = await server.StreamAsync("/v1/chat/completions", Chat + "}");
        Assert.Equal("[DONE]", events[^1]);
        JsonElement error = JsonDocument.Parse(events[^2]).RootElement.GetProperty("error");
        Assert.Equal(500, error.GetProperty("code").GetInt32());
        Assert.DoesNotContain("secret", events[^2], StringComparison.Ordinal);
        Assert.Single(server.Engine.Aborted);
    }

    [Fact]
    public async Task An_output_that_fails_in_a_stream_of_several_prompts_ends_all_of_them()
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Finish = FinishReason.Error });
        List<string> events = await server.StreamAsync("/v1/completions", """{"prompt":["a","b"],"stream":true}""");
        Assert.Equal("[DONE]", events[^1]);
        Assert.Contains("InternalServerError", events[^2], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/chat/completions", Chat + "}")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"hi"}],"n":4,"temperature":1,"stream":false}""")]
    [InlineData("/v1/completions", """{"prompt":["a","b"],"stream":true}""")]
    [InlineData("/v1/completions", """{"prompt":["a","b"],"stream":false}""")]
    public async Task A_client_that_goes_away_aborts_all_parts_of_its_request(string path, string body)
    {
        var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        using var gone = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") };
        Task<HttpResponseMessage> sending = server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, gone.Token);
        await engine.FirstSubmit.Task;
        if (body.Contains("\"stream\":true", StringComparison.Ordinal))
        {
            (await sending).Dispose();
        }

        await gone.CancelAsync();
        await engine.FirstAbort.Task.WaitAsync(TimeSpan.FromSeconds(30));
        while (engine.Aborted.Count < engine.Submitted.Count)
        {
            await Task.Delay(5);
        }
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_up_nobody_and_costs_bounded_memory()
    {
        const int Tokens = 200_000;
        var engine = new FakeEngine { Answer = string.Concat(Enumerable.Repeat(" cat", Tokens)) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        using var slow = new System.Net.Sockets.TcpClient();
        await slow.ConnectAsync("127.0.0.1", server.Address.Port);
        const string Body = """{"prompt":"x","stream":true}""";
        engine.IgnoreMaxTokens = true;
        await slow.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(
            $"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"));
        int before;
        do
        {
            before = engine.Taken;
            await Task.Delay(200);
        }
        while (before == 0 || engine.Taken != before);
        Assert.InRange(engine.Taken, 1, Tokens - 1);
        engine.IgnoreMaxTokens = false;
        Assert.Equal(200, (await server.CompleteAsync("\"max_tokens\":3")).Status);
        slow.Close();
        await engine.FirstAbort.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Headers_of_a_stream_come_before_its_first_token()
    {
        var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Chat + "}", System.Text.Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(200, (int)response.StatusCode);
        engine.Gate.Release(1000);
        Assert.EndsWith("[DONE]\n\n", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static IEnumerable<JsonElement> Choices(List<JsonElement> chunks, int index) =>
        chunks.SelectMany(c => c.GetProperty("choices").EnumerateArray()).Where(c => c.GetProperty("index").GetInt32() == index);

    private static string Text(List<JsonElement> chunks, int index) =>
        string.Concat(Choices(chunks, index).Select(c => c.GetProperty("delta").TryGetProperty("content", out JsonElement text) ? text.GetString() : ""));
}
