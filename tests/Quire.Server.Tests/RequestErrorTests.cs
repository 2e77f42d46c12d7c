using System;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Quire.Engine;
using Quire.Server.Http;

namespace Quire.Server.Tests;

public partial class RequestErrorTests
{
    private const string BadRequest = "BadRequestError";
    private const string Schema = "Bad Request";

    [Theory]
    [InlineData("\"temperature\":\"hot\"", Schema, "body.temperature", "must be a number")]
    [InlineData("\"temperature\":-1", BadRequest, "temperature", "temperature must be non-negative")]
    [InlineData("\"temperature\":1e999", BadRequest, "temperature", "temperature must be a finite number")]
    [InlineData("\"top_p\":\"nan\"", Schema, "body.top_p", "must be a number")]
    [InlineData("\"top_k\":1.5", Schema, "body.top_k", "must be an integer")]
    [InlineData("\"n\":0", BadRequest, "n", "n must be at least 1, got 0")]
    [InlineData("\"n\":100000", BadRequest, "n", "n must be at most 16384")]
    [InlineData("\"n\":9223372036854775808", Schema, "body.n", "must be an integer from")]
    [InlineData("\"max_tokens\":0", BadRequest, "max_tokens", "max_tokens must be at least 1, got 0")]
    [InlineData("\"max_tokens\":1000000", BadRequest, "max_tokens", "max_tokens=1000000 cannot be greater than max_model_len=4096")]
    [InlineData("\"max_completion_tokens\":99999999999", Schema, "body.max_completion_tokens", "must be an integer from")]
    [InlineData("\"seed\":1180591620717411303424", Schema, "body.seed", "must be an integer from")]
    [InlineData("\"seed\":\"a\"", Schema, "body.seed", "must be an integer")]
    [InlineData("\"stop\":[1]", Schema, "body.stop[0]", "must be a string")]
    [InlineData("\"stop\":\"\"", BadRequest, "stop", "stop cannot contain an empty string")]
    [InlineData("\"priority\":\"x\"", Schema, "body.priority", "must be an integer")]
    [InlineData("\"stream\":\"perhaps\"", Schema, "body.stream", "must be a boolean")]
    [InlineData("\"stream_options\":{\"include_usage\":true}", BadRequest, "stream_options", "Stream options can only be defined when `stream=True`")]
    [InlineData("\"prompt_logprobs\":-2", BadRequest, "prompt_logprobs", "`prompt_logprobs` must be a positive value or -1")]
    [InlineData("\"prompt_logprobs\":1,\"stream\":true", BadRequest, "prompt_logprobs", "not available when `stream=True`")]
    [InlineData("\"top_logprobs\":2", BadRequest, "top_logprobs", "`logprobs` must be set to true")]
    [InlineData("\"logit_bias\":{\"a\":1}", BadRequest, "logit_bias", "logit_bias contains key(s) that cannot be converted to integer token IDs: ['a']")]
    [InlineData("\"cache_salt\":\"\"", BadRequest, "cache_salt", "non-empty string")]
    [InlineData("\"best_of\":3", BadRequest, "best_of", "best_of is not supported")]
    [InlineData("\"chat_template\":\"{{ 1 }}\"", BadRequest, "chat_template", "--trust-request-chat-template")]
    [InlineData("\"continue_final_message\":true,\"add_generation_prompt\":true", BadRequest, "continue_final_message", "add_generation_prompt")]
    [InlineData("\"tools\":[]", BadRequest, "tools", "tools")]
    [InlineData("\"tool_choice\":\"auto\"", BadRequest, "tool_choice", "When using `tool_choice`, `tools` must be set")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\"", BadRequest, "tool_choice", "not available")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}", BadRequest, "tool_choice", "does not match any of the specified `tools`")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":7}}]", Schema, "body.tools[0].function.parameters", "must be a JSON schema")]
    [InlineData("\"response_format\":{\"type\":\"yaml\"}", Schema, "body.response_format.type", "response_format")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", BadRequest, "response_format", "not available in this version")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\"}", BadRequest, "response_format", "'json_schema' field must be provided")]
    [InlineData("\"structured_outputs\":{\"choice\":[\"a\"]}", BadRequest, "structured_outputs", "not available in this version")]
    [InlineData("\"guided_json\":{\"type\":\"object\"}", BadRequest, "guided_json", "not available in this version")]
    [InlineData("\"use_beam_search\":true", BadRequest, "use_beam_search", "Beam search is not available")]
    [InlineData("\"modalities\":[\"text\",\"audio\"]", BadRequest, "modalities", "modalities")]
    public async Task A_wrong_field_of_a_chat_request_is_named(string fields, string type, string param, string says)
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.ChatAsync(fields);
        CheckError(status, body, 400, type, param, says);
    }

    [Theory]
    [InlineData("{}", Schema, "body.messages", "messages is required")]
    [InlineData("{\"messages\":null}", Schema, "body.messages", "messages")]
    [InlineData("{\"messages\":\"hi\"}", Schema, "body.messages", "messages as a list")]
    [InlineData("{\"messages\":[]}", BadRequest, "messages", "at least one message")]
    [InlineData("{\"messages\":[7]}", Schema, "body.messages[0]", "must be an object")]
    [InlineData("{\"messages\":[{\"content\":\"x\"}]}", Schema, "body.messages[0].role", "role is required")]
    [InlineData("{\"messages\":[{\"role\":\"wizard\",\"content\":\"x\"}]}", Schema, "body.messages[0].role", "role must be")]
    [InlineData("{\"messages\":[{\"role\":\"user\"}]}", Schema, "body.messages[0].content", "content is required")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"smell\"}]}]}", BadRequest, "messages", "smell")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/y\"}}]}]}", BadRequest, "messages", "multimodal")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", Schema, "body.messages[0].content", "surrogate")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{bad\"}}]}]}", Schema, "body.messages[0].tool_calls[0].function.arguments", "arguments")]
    public async Task T1_a_wrong_message_is_named(string json, string type, string param, string says)
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.PostJsonAsync("/v1/chat/completions", json);
        CheckError(status, body, 400, type, param, says);
    }

    [Theory]
    [InlineData("{\"prompt\":\"\"}", BadRequest, "prompt", "Either prompt or prompt_embeds must be provided and non-empty.")]
    [InlineData("{\"prompt\":null}", BadRequest, "prompt", "Either prompt or prompt_embeds")]
    [InlineData("{}", BadRequest, "prompt", "Either prompt or prompt_embeds")]
    [InlineData("{\"prompt\":[]}", BadRequest, "prompt", "Either prompt or prompt_embeds")]
    [InlineData("{\"prompt\":7}", Schema, "body.prompt", "must be a string")]
    [InlineData("{\"prompt\":[\"a\",[1]]}", Schema, "body.prompt[1]", "must be a string")]
    [InlineData("{\"prompt\":[[1],\"a\"]}", Schema, "body.prompt[1]", "must be a list")]
    [InlineData("{\"prompt\":[1,\"a\"]}", Schema, "body.prompt[1]", "must be an integer")]
    [InlineData("{\"prompt\":[{}]}", Schema, "body.prompt[0]", "must be a string")]
    [InlineData("{\"prompt\":\"a\",\"suffix\":\"b\"}", BadRequest, "suffix", "suffix is not currently supported")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":-2}", BadRequest, "logprobs", "`logprobs` must be a positive value")]
    [InlineData("{\"prompt\":\"a\",\"prompt_embeds\":\"AAAA\"}", BadRequest, "prompt_embeds", "not available in this version")]
    [InlineData("{\"prompt\":\"a\",\"truncate_prompt_tokens\":-2}", BadRequest, "truncate_prompt_tokens", "at least -1")]
    public async Task T1_a_wrong_completion_request_is_named(string json, string type, string param, string says)
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.PostJsonAsync("/v1/completions", json);
        CheckError(status, body, 400, type, param, says);
        Assert.Empty(server.Engine.Submitted);
    }

    [Fact]
    public async Task What_a_client_makes_the_engine_hold_is_bounded_in_all()
    {
        await using TestServer server = await TestServer.StartAsync();
        string salt = new('s', 1025);
        (int status, JsonElement body) = await server.CompleteAsync($"\"cache_salt\":\"{salt}\"");
        Assert.Equal(400, status);
        Assert.Contains("at most 1024", body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);

        string stops = string.Join(',', Enumerable.Range(0, 20).Select(i => $"\"{i}{new string('x', 4000)}\""));
        (status, body) = await server.CompleteAsync($"\"stop\":[{stops}]");
        Assert.Equal(400, status);
        Assert.Contains("at most 65536", body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Empty(server.Engine.Submitted);
    }

    [Fact]
    public async Task T2_lists_are_bounded()
    {
        await using TestServer server = await TestServer.StartAsync();
        string Many(string item, int count) => "[" + string.Join(',', Enumerable.Repeat(item, count)) + "]";
        (string Fields, string Param)[] cases =
        [
            ($"\"prompt\":{Many("\"a\"", 1025)}", "body.prompt"),
            ($"\"prompt\":\"a\",\"stop\":{Many("\"a\"", 1025)}", "body.stop"),
            ($"\"prompt\":\"a\",\"stop\":\"{new string('a', 5000)}\"", "body.stop"),
            ($"\"prompt\":\"a\",\"stop_token_ids\":{Many("1", 1025)}", "body.stop_token_ids"),
            ($"\"prompt\":\"a\",\"bad_words\":{Many("\"a\"", 1025)}", "body.bad_words"),
            ($"\"prompt\":\"a\",\"allowed_token_ids\":{Many("1", 8193)}", "body.allowed_token_ids"),
            ($"\"prompt\":\"a\",\"logprob_token_ids\":{Many("1", 129)}", "body.logprob_token_ids"),
        ];
        foreach ((string fields, string param) in cases)
        {
            (int status, JsonElement body) = await server.PostJsonAsync("/v1/completions", "{" + fields + "}");
            CheckError(status, body, 400, Schema, param, "at most");
        }

        (int many, JsonElement error) = await server.PostJsonAsync("/v1/completions", "{\"prompt\":" + Many("\"a\"", 1024) + ",\"n\":17,\"temperature\":1}");
        CheckError(many, error, 400, BadRequest, "n", "at most 16384");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{bad")]
    [InlineData("[1]")]
    [InlineData("7")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":NaN}")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":Infinity}")]
    [InlineData("{\"a\":1}{\"a\":1}")]
    public async Task T19_a_body_that_is_not_a_JSON_object_is_a_400(string json)
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (string path in new[] { "/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize", "/v1/chat/completions/batch" })
        {
            (int status, JsonElement body) = await server.PostJsonAsync(path, json);
            CheckError(status, body, 400, Schema, "body", "JSON");
        }
    }

    [Fact]
    public async Task T9_a_hundred_thousand_brackets_are_refused_and_the_server_goes_on()
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (string unit in new[] { "[", "{\"a\":" })
        {
            string nest = "{\"prompt\":\"a\",\"x\":" + string.Concat(Enumerable.Repeat(unit, 100_000));
            (int status, JsonElement body) = await server.PostJsonAsync("/v1/completions", nest);
            CheckError(status, body, 400, Schema, "body", "brackets");
        }

        Assert.Equal(200, (await server.CompleteAsync()).Status);
    }

    [Fact]
    public async Task Bytes_that_are_not_UTF8_are_a_400()
    {
        await using TestServer server = await TestServer.StartAsync();
        using var content = new ByteArrayContent([.. "{\"prompt\":\""u8, 0xC3, 0x28, .. "\"}"u8]);
        content.Headers.ContentType = new("application/json");
        using HttpResponseMessage response = await server.Client.PostAsync("/v1/completions", content);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("UTF-8", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text/plain", 400)]
    [InlineData("application/x-www-form-urlencoded", 400)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("APPLICATION/JSON", 200)]
    public async Task Bodies_must_be_JSON_by_their_type(string type, int expected)
    {
        await using TestServer server = await TestServer.StartAsync();
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes("{\"prompt\":\"a\"}"));
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using HttpResponseMessage response = await server.Client.PostAsync("/v1/completions", content);
        Assert.Equal(expected, (int)response.StatusCode);
        if (expected == 400)
        {
            Assert.Contains("application/json", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task T13_compressed_bodies_are_refused()
    {
        await using TestServer server = await TestServer.StartAsync();
        using var content = new ByteArrayContent([1, 2, 3]);
        content.Headers.ContentType = new("application/json");
        content.Headers.ContentEncoding.Add("gzip");
        using HttpResponseMessage response = await server.Client.PostAsync("/v1/completions", content);
        Assert.Equal(415, (int)response.StatusCode);
    }

    [Fact]
    public async Task An_unknown_model_is_a_404_and_every_served_name_is_known()
    {
        await using TestServer server = await TestServer.StartAsync();
        (int status, JsonElement body) = await server.CompleteAsync("\"model\":\"nope\"");
        CheckError(status, body, 404, "NotFoundError", "model", "The model `nope` does not exist");
        foreach (string name in new[] { "quill", "org/quill", "" })
        {
            Assert.Equal(200, (await server.CompleteAsync($"\"model\":\"{name}\"")).Status);
        }

        Assert.Equal(200, (await server.CompleteAsync("\"model\":null")).Status);
    }

    [Fact]
    public async Task T12_no_error_message_holds_a_path_or_a_type_name()
    {
        await using TestServer server = await TestServer.StartAsync();
        string[] bodies =
        [
            """{"model":"/opt/models/secret","prompt":"a"}""", """{"prompt":"a","model":"C:\\models\\x"}""",
            """{"prompt":"a","stream":"/etc/passwd"}""", """{"prompt":["/var/log/x",["/usr/lib/y"]]}""",
        ];
        foreach (string json in bodies)
        {
            (_, JsonElement body) = await server.PostJsonAsync("/v1/completions", json);
            Assert.DoesNotMatch(Leak(), body.GetProperty("error").GetProperty("message").GetString());
        }
    }

    [Theory]
    [InlineData(ErrorKind.Request, 400, BadRequest)]
    [InlineData(ErrorKind.NotFound, 404, "NotFoundError")]
    [InlineData(ErrorKind.Unavailable, 503, "ServiceUnavailableError")]
    [InlineData(ErrorKind.Internal, 500, "InternalServerError")]
    [InlineData(ErrorKind.Runtime, 500, "InternalServerError")]
    [InlineData(ErrorKind.Usage, 500, "InternalServerError")]
    public void Kinds_of_engine_errors_have_their_status(ErrorKind kind, int status, string type)
    {
        ApiError error = ErrorMapper.Map(new QuireException(ErrorCodes.BadRequest, kind, "said", "field"));
        Assert.Equal((status, type), (error.Status, error.Type));
        Assert.Equal(status < 500 || status == 503, error.Message == "said");
    }

    [Fact]
    public void What_nobody_expected_says_nothing_about_itself()
    {
        ApiError error = ErrorMapper.Map(new InvalidOperationException("/opt/x/secret.cs line 3"));
        Assert.Equal(500, error.Status);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Long_messages_are_cut()
    {
        ApiError error = ErrorMapper.Map(new ApiException(ApiError.Invalid("x", new string('y', 100_000))));
        Assert.InRange(error.Message.Length, 1, 2000);
    }

    [Theory]
    [InlineData("GET", "/", 404, "NotFoundError")]
    [InlineData("GET", "/v1/nope", 404, "NotFoundError")]
    [InlineData("POST", "/v1/audio/transcriptions", 404, "NotFoundError")]
    [InlineData("GET", "/v1/chat/completions", 405, "Method Not Allowed")]
    [InlineData("DELETE", "/health", 405, "Method Not Allowed")]
    public async Task Unknown_paths_and_methods_have_an_error_object(string method, string path, int status, string type)
    {
        await using TestServer server = await TestServer.StartAsync();
        using HttpResponseMessage response = await server.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        JsonElement body = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        CheckError((int)response.StatusCode, body, status, type, null, "Not");
        if (status == 405)
        {
            Assert.NotEmpty(response.Content.Headers.Allow);
        }
    }

    private static void CheckError(int status, JsonElement body, int expected, string type, string? param, string says)
    {
        Assert.True(status == expected, $"{status}: {body}");
        JsonElement error = body.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(p => p.Name));
        Assert.Equal(expected, error.GetProperty("code").GetInt32());
        Assert.Equal(type, error.GetProperty("type").GetString());
        Assert.Equal(param, error.GetProperty("param").GetString());
        string message = error.GetProperty("message").GetString()!;
        Assert.Contains(says, message, StringComparison.Ordinal);
        Assert.InRange(message.Length, 1, 2000);
        Assert.DoesNotMatch(Leak(), message);
    }

    [GeneratedRegex(@"(?<![\w.])/(root|home|usr|opt|tmp|var|etc|app)/\w|\b[A-Za-z]:\\\w|\w\.(cs|dll|so)\b|\b(System|Microsoft|Quire)\.[A-Z]\w+|\w+Exception\b")]
    private static partial Regex Leak();
}
