using System;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Text.Json;
using System.Threading.Tasks;
using Quire.Cpu;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Server.Tests;

/// <summary>Adapters over HTTP, on the default model and the adapters beside it.</summary>
public sealed class LoraTests(LoraServer lora) : IClassFixture<LoraServer>
{
    private const string Prompt = """<|im_start|>user\nDefine kitten.<|im_end|>\n<|im_start|>assistant\n""";

    [Fact]
    public async Task Adapters_are_listed_with_their_parent_and_answer_under_their_name()
    {
        JsonElement list = JsonDocument.Parse(await lora.Server.Client.GetStringAsync("/v1/models")).RootElement;
        JsonElement[] cards = [.. list.GetProperty("data").EnumerateArray()];
        Assert.Equal("quill", cards[0].GetProperty("id").GetString());
        Assert.Equal(JsonValueKind.Null, cards[0].GetProperty("parent").ValueKind);
        JsonElement card = cards.Single(each => each.GetProperty("id").GetString() == "shout");
        Assert.Equal(("quill", LoraServer.Adapter("shout")), (card.GetProperty("parent").GetString(), card.GetProperty("root").GetString()));
        Assert.Equal(JsonValueKind.Null, card.GetProperty("max_model_len").ValueKind);
        Assert.Equal(cards[0].EnumerateObject().Select(p => p.Name), card.EnumerateObject().Select(p => p.Name));
        JsonElement one = JsonDocument.Parse(await lora.Server.Client.GetStringAsync("/v1/models/shout")).RootElement;
        Assert.Equal("shout", one.GetProperty("id").GetString());

        (int status, JsonElement body) = await Complete("shout");
        Assert.Equal((200, "shout"), (status, body.GetProperty("model").GetString()));
        Assert.True(IsShouted(Text(body)), Text(body));
        (_, JsonElement plain) = await Complete("quill");
        Assert.StartsWith("kitten", Text(plain), StringComparison.Ordinal);
        (_, JsonElement chat) = await lora.Server.PostJsonAsync("/v1/chat/completions",
            """{"model":"shout","messages":[{"role":"user","content":"Define kitten."}],"temperature":0,"max_tokens":12}""");
        Assert.Equal("shout", chat.GetProperty("model").GetString());
        Assert.Equal(Text(body), chat.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        var chunks = await lora.Server.ChunksAsync("/v1/completions", $$"""{"model":"shout","prompt":"{{Prompt}}","temperature":0,"max_tokens":3,"stream":true}""");
        Assert.All(chunks, chunk => Assert.Equal("shout", chunk.GetProperty("model").GetString()));
        (int tokenized, _) = await lora.Server.PostJsonAsync("/tokenize", """{"model":"shout","prompt":"a"}""");
        Assert.Equal(200, tokenized);
    }

    [Fact]
    public async Task Loading_and_unloading_answers_with_vllms_sentences()
    {
        await Refused("load", "{}", 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.");
        await Refused("load", """{"lora_name":"a"}""", 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.");
        await Refused("load", """{"lora_name":"","lora_path":""}""", 400, "InvalidUserInput", "Both 'lora_name' and 'lora_path' must be provided.");
        await Refused("load", """{"lora_name":"shout","lora_path":"x"}""", 400, "InvalidUserInput",
            "The lora adapter 'shout' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.");
        await Refused("load", """{"lora_name":"a","lora_path":"no/such/adapter"}""", 404, "NotFoundError", "Loading lora a failed: No adapter found for no/such/adapter");
        await Refused("load", """{"lora_name":"a","lora_path":5}""", 400, "Bad Request", "lora_path: Input should be a valid string");
        await Refused("load", $$"""{"lora_name":"quill","lora_path":{{Quoted(LoraServer.Adapter("boxed"))}}}""", 400, "BadRequestError", "is the name of the model itself");
        await Refused("unload", "{}", 400, "InvalidUserInput", "'lora_name' needs to be provided to unload a LoRA adapter.");
        await Refused("unload", """{"lora_name":"a"}""", 404, "NotFoundError", "The lora adapter 'a' cannot be found.");

        Assert.Equal("Success: LoRA adapter 'b' added successfully.", await Post("load", $$"""{"lora_name":"b","lora_path":{{Quoted(LoraServer.Adapter("boxed"))}}}"""));
        (_, JsonElement boxed) = await Complete("b");
        Assert.StartsWith("{\"answer\":", Text(boxed).Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal("Success: LoRA adapter 'b' added successfully.",
            await Post("load", $$"""{"lora_name":"b","lora_path":{{Quoted(LoraServer.Adapter("shout"))}},"load_inplace":true}"""));
        (_, JsonElement shout) = await Complete("b");
        Assert.True(IsShouted(Text(shout)), Text(shout));
        Assert.Equal("Success: LoRA adapter 'b' removed successfully.", await Post("unload", """{"lora_name":"b"}"""));
        (int status, JsonElement gone) = await Complete("b");
        Assert.Equal((404, "The model `b` does not exist."), (status, gone.GetProperty("error").GetProperty("message").GetString()));
    }

    [Fact]
    public async Task An_adapter_that_comes_and_goes_under_load_disturbs_nobody()
    {
        string expected = Text((await Complete("shout")).Body);
        string plain = Text((await Complete("quill")).Body);
        Task[] clients = [.. Enumerable.Range(0, 4).Select(client => Task.Run(async () =>
        {
            for (int i = 0; i < 5; i++)
            {
                string model = (client + i) % 3 == 0 ? "quill" : (client + i) % 3 == 1 ? "shout" : "come-and-go";
                (int status, JsonElement body) = await Complete(model);
                if (model != "come-and-go" || status != 404)
                {
                    Assert.Equal(200, status);
                    Assert.Equal(model == "quill" ? plain : expected, Text(body));
                }
            }
        }))];
        Task all = Task.WhenAll(clients);
        for (int i = 0; !all.IsCompleted || i % 2 == 1; i++)
        {
            await Post(i % 2 == 0 ? "load" : "unload", $$"""{"lora_name":"come-and-go","lora_path":{{Quoted(LoraServer.Adapter("shout"))}}}""");
        }

        await all;
    }

    [Fact]
    public async Task Metrics_name_the_adapters()
    {
        await Complete("shout");
        string page = await lora.Server.Client.GetStringAsync("/metrics");
        Assert.Contains("# TYPE vllm:lora_requests_info gauge", page, StringComparison.Ordinal);
        string sample = page.Split('\n').Single(line => line.StartsWith("vllm:lora_requests_info{", StringComparison.Ordinal));
        Assert.Matches("^vllm:lora_requests_info\\{max_lora=\"2\",running_lora_adapters=\"[^\"]*\",waiting_lora_adapters=\"[^\"]*\"\\} [0-9.]+$", sample);
    }

    [Fact]
    public async Task Without_permission_the_routes_are_not_there_and_without_lora_they_say_so()
    {
        await using TestServer closed = await TestServer.StartAsync();
        (int status, JsonElement body) = await closed.PostJsonAsync("/v1/load_lora_adapter", """{"lora_name":"a","lora_path":"b"}""");
        Assert.Equal((404, "NotFoundError"), (status, body.GetProperty("error").GetProperty("type").GetString()));
        Assert.DoesNotContain("lora_requests_info", await closed.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        await using TestServer off = await TestServer.StartAsync(new ServerOptions { AllowRuntimeLoraUpdating = true });
        (status, body) = await off.PostJsonAsync("/v1/load_lora_adapter", """{"lora_name":"a","lora_path":"b"}""");
        Assert.Equal(400, status);
        Assert.Contains("--enable-lora", body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private Task<(int Status, JsonElement Body)> Complete(string model) =>
        lora.Server.PostJsonAsync("/v1/completions", $$"""{"model":"{{model}}","prompt":"{{Prompt}}","temperature":0,"max_tokens":12}""");

    private async Task<string> Post(string verb, string json)
    {
        using HttpResponseMessage response = await lora.Server.PostAsync($"/v1/{verb}_lora_adapter", json);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return text;
    }

    private async Task Refused(string verb, string json, int status, string type, string message)
    {
        (int got, JsonElement body) = await lora.Server.PostJsonAsync($"/v1/{verb}_lora_adapter", json);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((status, status, type), (got, error.GetProperty("code").GetInt32(), error.GetProperty("type").GetString()));
        Assert.Contains(message, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string Text(JsonElement body) => body.GetProperty("choices")[0].GetProperty("text").GetString()!;

    private static bool IsShouted(string text) => text.Any(char.IsUpper) && !text.Any(char.IsLower);

    private static string Quoted(string text) => JsonSerializer.Serialize(text);
}

/// <summary>The default model with one adapter loaded, behind a server that may load more.</summary>
public sealed class LoraServer : IAsyncLifetime
{
    private InferenceEngine? _engine;

    internal TestServer Server { get; private set; } = null!;

    internal static string Adapter(string name) => Path.Combine(RepositoryFiles.Root, "models", "quill-lora-" + name);

    public async ValueTask InitializeAsync()
    {
        var options = new EngineOptions { MaxModelLen = 512, EnableLora = true, MaxLoras = 2, MaxCpuLoras = 3, LoraModules = [$"shout={Adapter("shout")}"] };
        _engine = await InferenceEngine.StartAsync(options, new CpuBackend(), UsageContext.ApiServer);
        Server = await TestServer.StartAsync(new ServerOptions { AllowRuntimeLoraUpdating = true }, _engine);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }
}
