using System;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Server.Tests;

public class CompletionTests
{
    [Fact]
    public async Task A_whole_answer_has_every_field_with_its_nulls()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.CompleteAsync("\"max_tokens\":50");
        Assert.Equal(200, status);
        Assert.StartsWith("cmpl-", body.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            ["id", "object", "created", "model", "choices", "service_tier", "system_fingerprint", "usage", "kv_transfer_params", "ec_transfer_params", "metrics"],
            body.EnumerateObject().Select(p => p.Name));
        JsonElement choice = Assert.Single(body.GetProperty("choices").EnumerateArray());
        Assert.Equal(
            """{"index":0,"text":"one two three","logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null,"routed_experts":null}""",
            choice.GetRawText());
        Assert.Equal("text_completion", body.GetProperty("object").GetString());
        Assert.Equal("quill", body.GetProperty("model").GetString());
        JsonElement usage = body.GetProperty("usage");
        int tokens = FakeEngine.Quill.Encode("one two three", false).Length;
        Assert.Equal(2, usage.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(tokens, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(tokens + 2, usage.GetProperty("total_tokens").GetInt32());
    }

    [Fact]
    public async Task The_default_of_max_tokens_is_16_and_null_means_the_default()
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.CompleteAsync();
        await server.CompleteAsync("\"max_tokens\":null");
        Assert.All(server.Engine.Submitted, request => Assert.Equal(16, request.Sampling.MaxTokens));
    }

    [Fact]
    public async Task Choices_of_several_prompts_are_prompt_major()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.PostJsonAsync("/v1/completions",
            """{"prompt":["a b","c","d"],"n":2,"max_tokens":40,"return_token_ids":true,"temperature":1}""");
        Assert.Equal(200, status);
        JsonElement[] choices = [.. body.GetProperty("choices").EnumerateArray()];
        Assert.Equal([0, 1, 2, 3, 4, 5], choices.Select(c => c.GetProperty("index").GetInt32()));
        Assert.Equal(choices[0].GetProperty("prompt_token_ids").GetRawText(), choices[1].GetProperty("prompt_token_ids").GetRawText());
        Assert.NotEqual(choices[1].GetProperty("prompt_token_ids").GetRawText(), choices[2].GetProperty("prompt_token_ids").GetRawText());
        int prompts = new[] { "a b", "c", "d" }.Sum(p => FakeEngine.Quill.Encode(p, true).Length);
        Assert.Equal(prompts, body.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        Assert.Equal(6 * FakeEngine.Quill.Encode("one two three", false).Length, body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Prompts_of_token_ids_reach_the_engine_as_they_are()
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.PostJsonAsync("/v1/completions", """{"prompt":[5,6,7]}""");
        await server.PostJsonAsync("/v1/completions", """{"prompt":[[1,2],[3]]}""");
        Assert.Equal([[5, 6, 7], [1, 2], [3]], server.Engine.Submitted.Select(r => r.Prompt.TokenIds!));
    }

    [Fact]
    public async Task Echo_puts_the_prompt_before_the_text_and_its_log_probabilities_before_the_others()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.CompleteAsync("\"echo\":true,\"logprobs\":2,\"max_tokens\":2");
        JsonElement choice = body.GetProperty("choices")[0];
        Assert.Equal("The catone two", choice.GetProperty("text").GetString());
        JsonElement logprobs = choice.GetProperty("logprobs");
        Assert.Equal("""["The"," cat","one"," two"]""", logprobs.GetProperty("tokens").GetRawText());
        Assert.Equal("[0,3,7,10]", logprobs.GetProperty("text_offset").GetRawText());
        Assert.Equal("[null,-0.5,-0.5,-0.5]", logprobs.GetProperty("token_logprobs").GetRawText());
        Assert.Equal(JsonValueKind.Null, logprobs.GetProperty("top_logprobs")[0].ValueKind);
        Assert.Equal(2, server.Engine.Submitted.Single().Sampling.PromptLogprobs);
    }

    [Fact]
    public async Task Echo_with_no_tokens_gives_the_prompt_alone()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.CompleteAsync("\"echo\":true,\"max_tokens\":0");
        Assert.Equal(200, status);
        Assert.Equal("The cat", body.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.Equal("length", body.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(0, body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Log_probabilities_have_a_floor_instead_of_minus_infinity()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.CompleteAsync("\"logprobs\":3,\"max_tokens\":1,\"prompt_logprobs\":3");
        string top = body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("top_logprobs")[0].GetRawText();
        Assert.Contains("-9999", top, StringComparison.Ordinal);
        JsonElement prompt = body.GetProperty("choices")[0].GetProperty("prompt_logprobs");
        Assert.Equal(JsonValueKind.Null, prompt[0].ValueKind);
        Assert.StartsWith("""{"logprob":-9999,"rank":3,"decoded_token":""", prompt[1].GetProperty("102").GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_candidates_of_the_same_text_become_one_entry_with_the_last_value()
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (int top in new[] { 4, 40 })
        {
            // Bytes of half characters decode to the same replacement text.
            (_, JsonElement body) = await server.CompleteAsync($"\"logprobs\":{top},\"max_tokens\":1");
            JsonElement entries = body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("top_logprobs")[0];
            string[] names = [.. entries.EnumerateObject().Select(p => p.Name)];
            Assert.Equal(names.Distinct(), names);
        }
    }

    [Fact]
    public async Task Tokens_can_be_returned_as_ids()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.CompleteAsync("\"logprobs\":1,\"max_tokens\":1,\"return_tokens_as_token_ids\":true");
        string token = body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("tokens")[0].GetString()!;
        Assert.Equal($"token_id:{FakeEngine.Quill.Encode("one", false)[0]}", token);
    }

    [Theory]
    [InlineData("\"stop_reason text\"", "stop")]
    [InlineData("42", "stop")]
    public async Task The_stop_reason_is_the_text_or_the_token(string expected, string finish)
    {
        var engine = new FakeEngine { StopReason = expected == "42" ? new StopReason(null, 42) : new StopReason("stop_reason text", null) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        (_, JsonElement body) = await server.CompleteAsync();
        Assert.Equal(expected, body.GetProperty("choices")[0].GetProperty("stop_reason").GetRawText());
        Assert.Equal(finish, body.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Theory]
    [InlineData(FinishReason.Length, "length")]
    [InlineData(FinishReason.Abort, "abort")]
    [InlineData(FinishReason.Repetition, "repetition")]
    public async Task Every_finish_reason_has_its_name(FinishReason reason, string name)
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Finish = reason });
        (_, JsonElement body) = await server.CompleteAsync();
        Assert.Equal(name, body.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task An_output_that_ended_with_an_error_is_a_500()
    {
        await using TestServer server = await TestServer.StartAsync(engine: new FakeEngine { Finish = FinishReason.Error });
        (int status, JsonElement body) = await server.CompleteAsync();
        Assert.Equal(500, status);
        Assert.Equal("InternalServerError", body.GetProperty("error").GetProperty("type").GetString());
    }

    [Fact]
    public async Task Sampling_fields_reach_the_engine()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, _) = await server.CompleteAsync(
            """
            "n":2,"temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":0.2,"frequency_penalty":0.3,
            "seed":-5,"stop":["x","y"],"stop_token_ids":[3],"bad_words":["z"],"allowed_token_ids":[1,2],"logit_bias":{"5":1.5,"6":500,"7":-1e999},"min_tokens":2,
            "max_tokens":9,"ignore_eos":true,"include_stop_str_in_output":true,"skip_special_tokens":false,"priority":-3,"cache_salt":"s",
            "truncate_prompt_tokens":5,"logprobs":1,"add_special_tokens":false
            """);
        Assert.Equal(200, status);
        GenerationRequest request = Assert.Single(server.Engine.Submitted);
        SamplingParams sampling = request.Sampling;
        Assert.Equal((2, 0.5, 0.9, 7, 0.1), (sampling.N, sampling.Temperature, sampling.TopP, sampling.TopK, sampling.MinP));
        Assert.Equal((1.1, 0.2, 0.3, -5L), (sampling.RepetitionPenalty, sampling.PresencePenalty, sampling.FrequencyPenalty, sampling.Seed));
        Assert.Equal(["x", "y"], sampling.Stop);
        Assert.Equal([3], sampling.StopTokenIds);
        Assert.Equal(["z"], sampling.BadWords);
        Assert.Equal([1, 2], sampling.AllowedTokenIds!);
        Assert.Equal((1.5f, 100f, -100f), (sampling.LogitBias![5], sampling.LogitBias[6], sampling.LogitBias[7]));
        Assert.Equal((2, 9, true, true, false), (sampling.MinTokens, sampling.MaxTokens, sampling.IgnoreEos, sampling.IncludeStopStrInOutput, sampling.SkipSpecialTokens));
        Assert.Equal((-3, "s", 5, 1), (request.Priority, request.CacheSalt, request.TruncatePromptTokens, sampling.Logprobs));
        Assert.False(request.Prompt.AddSpecialTokens);
    }

    [Fact]
    public async Task What_a_request_leaves_out_comes_from_the_generation_config()
    {
        var engine = new FakeEngine();
        engine = new FakeEngine
        {
            Model = engine.Model with { GenerationDefaults = new() { Temperature = 0.7, TopP = 0.8, TopK = 20, MinP = 0.05, RepetitionPenalty = 1.2 } },
        };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        await server.CompleteAsync("\"top_p\":0.5");
        SamplingParams sampling = server.Engine.Submitted.Single().Sampling;
        Assert.Equal((0.7, 0.5, 20, 0.05, 1.2), (sampling.Temperature, sampling.TopP, sampling.TopK, sampling.MinP, sampling.RepetitionPenalty));
    }

    [Fact]
    public async Task The_header_gives_id_and_priority()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { EnableRequestIdHeaders = true });
        using var response = await server.PostAsync("/v1/completions", """{"prompt":"a","request_id":"body","priority":1}""",
            ("X-Request-Id", "abc-1"), ("X-Vllm-Priority", "7"));
        using var body = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal("cmpl-abc-1", body.RootElement.GetProperty("id").GetString());
        Assert.Equal("abc-1", response.Headers.GetValues("X-Request-Id").Single());
        Assert.Equal(7, server.Engine.Submitted.Single().Priority);
    }

    [Fact]
    public async Task An_unusable_id_is_replaced()
    {
        await using TestServer server = await TestServer.StartAsync();
        (_, JsonElement body) = await server.PostJsonAsync("/v1/completions", """{"prompt":"a","request_id":"a\nb c"}""");
        Assert.Matches("^cmpl-[0-9a-f]{32}$", body.GetProperty("id").GetString());
    }

    [Fact]
    public async Task Details_of_the_prompt_come_when_the_server_gives_them()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { EnablePromptTokensDetails = true, EnablePerRequestMetrics = true });
        (_, JsonElement body) = await server.CompleteAsync();
        Assert.Equal(1, body.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
        Assert.Equal(500, body.GetProperty("metrics").GetProperty("time_to_first_token_ms").GetDouble());
    }
}
