using System;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Quire.Core.Requests;

namespace Quire.Server.Tests;

public class ChatTests
{
    [Fact]
    public async Task A_whole_answer_has_every_field_with_its_nulls()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.ChatAsync();
        Assert.Equal(200, status);
        Assert.StartsWith("chatcmpl-", body.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            ["id", "object", "created", "model", "choices", "service_tier", "system_fingerprint", "usage", "prompt_logprobs", "prompt_token_ids",
                "prompt_text", "kv_transfer_params", "ec_transfer_params", "metrics"],
            body.EnumerateObject().Select(p => p.Name));
        Assert.Equal(
            """{"index":0,"message":{"role":"assistant","content":"one two three","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"routed_experts":null}""",
            body.GetProperty("choices")[0].GetRawText());
        Assert.Matches("^quire-[0-9.]+-[0-9a-f]{8}$", body.GetProperty("system_fingerprint").GetString());
    }

    [Fact]
    public async Task Without_a_limit_an_answer_may_fill_the_context()
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.ChatAsync();
        await server.ChatAsync("\"max_tokens\":5");
        await server.ChatAsync("\"max_tokens\":5,\"max_completion_tokens\":3");
        Assert.Equal([null, 5, 3], server.Engine.Submitted.Select(r => r.Sampling.MaxTokens));
        Assert.Equal([false, true, true], server.Engine.Submitted.Select(r => r.RejectOverlongOutput));
    }

    [Fact]
    public async Task Text_parts_are_joined_by_line_ends_and_developers_speak_as_the_system()
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.PostJsonAsync("/v1/chat/completions",
            """{"messages":[{"role":"developer","content":"short"},{"role":"system","content":"kind"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}""");
        Assert.Equal("system: short\n\nkind\nuser: a\nb\nassistant:", server.Engine.Submitted.Single().Prompt.Text);
        Assert.False(server.Engine.Submitted.Single().Prompt.AddSpecialTokens);
    }

    [Fact]
    public async Task Log_probabilities_hold_the_sampled_token_first_and_bytes_of_the_token_even_when_ids_are_shown()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.ChatAsync("\"logprobs\":true,\"top_logprobs\":2,\"max_tokens\":1,\"return_tokens_as_token_ids\":true");
        int one = FakeEngine.Quill.Encode("one", false)[0];
        JsonElement entry = body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content")[0];
        Assert.Equal($"token_id:{one}", entry.GetProperty("token").GetString());
        Assert.Equal("[111,110,101]", entry.GetProperty("bytes").GetRawText());
        JsonElement top = entry.GetProperty("top_logprobs");
        Assert.Equal(2, top.GetArrayLength());
        Assert.Equal("[111,110,101]", top[0].GetProperty("bytes").GetRawText());
    }

    [Fact]
    public async Task Log_probabilities_without_a_number_have_empty_lists_of_others()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.ChatAsync("\"logprobs\":true,\"max_tokens\":1");
        Assert.Equal("[]", body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content")[0].GetProperty("top_logprobs").GetRawText());
        Assert.Equal(0, server.Engine.Submitted.Single().Sampling.Logprobs);
    }

    [Fact]
    public async Task Echo_comes_back_only_when_the_last_message_has_the_role_of_the_answer()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement user) = await server.ChatAsync("\"echo\":true");
        Assert.Equal("one two three", Content(user));
        (_, JsonElement assistant) = await server.PostJsonAsync("/v1/chat/completions",
            """{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"zero "}],"echo":true,"add_generation_prompt":false,"continue_final_message":true}""");
        Assert.Equal("zero one two three", Content(assistant));
    }

    [Fact]
    public async Task N_choices_each_have_their_index()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.ChatAsync("\"n\":3,\"temperature\":1");
        Assert.Equal([0, 1, 2], body.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("index").GetInt32()));
        (int status, JsonElement greedy) = await server.ChatAsync("\"n\":3,\"temperature\":0");
        Assert.Equal(400, status);
        Assert.Contains("n must be 1 when using greedy sampling", Message(greedy), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_batch_answers_each_conversation_in_order()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.PostJsonAsync("/v1/chat/completions/batch",
            """{"messages":[[{"role":"user","content":"a"}],[{"role":"user","content":"b"}]],"max_tokens":20}""");
        Assert.Equal(200, status);
        Assert.Equal([0, 1], body.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("index").GetInt32()));
        Assert.Equal(["user: a\nassistant:", "user: b\nassistant:"], server.Engine.Submitted.Select(r => r.Prompt.Text!));
    }

    [Fact]
    public async Task A_model_without_a_template_says_how_to_give_one()
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Chat = null });
        (int status, JsonElement body) = await server.ChatAsync();
        Assert.Equal(400, status);
        Assert.Contains("--chat-template", Message(body), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"n\":2.0", 2)]
    [InlineData("\"n\":\"2\"", 2)]
    [InlineData("\"n\":true", 1)]
    [InlineData("\"n\":7,\"n\":2", 2)]
    public async Task Numbers_may_be_text_and_of_a_repeated_key_the_last_counts(string fields, int n)
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, _) = await server.ChatAsync(fields);
        Assert.Equal(200, status);
        SamplingParams sampling = server.Engine.Submitted.Single().Sampling;
        Assert.Equal(n, sampling.N);
    }

    [Fact]
    public async Task The_reasoning_effort_becomes_variables_of_the_template()
    {
        await using TestServer server = await TestServer.StartAsync();
        var recorder = new RecordingRenderer();
        server.Engine.Chat = recorder;
        await server.ChatAsync("\"reasoning_effort\":\"low\",\"chat_template_kwargs\":{\"x\":1}");
        Assert.Equal("""{"x":1,"reasoning_effort":"low","enable_thinking":true}""", recorder.Kwargs);
        await server.ChatAsync("\"reasoning_effort\":\"none\",\"chat_template_kwargs\":{\"enable_thinking\":true}");
        Assert.Equal("""{"enable_thinking":true,"reasoning_effort":"none"}""", recorder.Kwargs);
    }

    [Fact]
    public async Task Defaults_of_template_variables_stand_under_those_of_the_request()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { DefaultChatTemplateKwargs = """{"a":1,"b":2}""" });
        var recorder = new RecordingRenderer();
        server.Engine.Chat = recorder;
        await server.ChatAsync("\"chat_template_kwargs\":{\"b\":3}");
        Assert.Equal("""{"a":1,"b":3}""", recorder.Kwargs);
    }

    [Fact]
    public async Task Tools_and_tool_calls_reach_the_template_in_a_fixed_form()
    {
        await using TestServer server = await TestServer.StartAsync();
        var recorder = new RecordingRenderer();
        server.Engine.Chat = recorder;
        (int status, _) = await server.PostJsonAsync("/v1/chat/completions",
            """
            {"messages":[{"role":"user","content":"w"},
              {"role":"assistant","content":null,"tool_calls":[{"type":"function","id":"c1","function":{"arguments":"{\"city\": \"Oslo\"}","name":"f"}}]},
              {"role":"tool","tool_call_id":"c1","content":"12"}],
             "tools":[{"function":{"parameters":{"type":"object"},"name":"f"},"type":"function"}]}
            """);
        Assert.Equal(200, status);
        Assert.Equal("""[{"type":"function","function":{"name":"f","description":null,"parameters":{"type":"object"}}}]""", recorder.Tools);
        Assert.Contains(
            """{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":{"city": "Oslo"}}}]}""",
            recorder.Messages, StringComparison.Ordinal);
    }

    private static string Content(JsonElement body) => body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private static string Message(JsonElement body) => body.GetProperty("error").GetProperty("message").GetString()!;

    private sealed class RecordingRenderer : Serving.IChatRenderer
    {
        public string Kwargs { get; private set; } = "";

        public string Tools { get; private set; } = "";

        public string Messages { get; private set; } = "";

        public bool KnowsDeveloperRole => false;

        public bool TakesParts => false;

        public Tokenization.GuardedText Render(Serving.ChatPrompt prompt)
        {
            Kwargs = prompt.Kwargs.ValueKind == JsonValueKind.Undefined ? "" : prompt.Kwargs.GetRawText();
            Tools = prompt.Tools.ValueKind == JsonValueKind.Undefined ? "" : prompt.Tools.GetRawText();
            Messages = prompt.Messages.GetRawText();
            return "x";
        }
    }
}
