using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Inference.Tests;

/// <summary>The model that ships, loaded once for all tests of the class.</summary>
public sealed class LoadedModel : IAsyncLifetime
{
    public Llm Llm { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Llm = await Llm.LoadAsync("models/quill", new EngineOptions { MaxNumSeqs = 16, KvCacheMemoryBytes = 64 << 20, MaxModelLen = 1024 });

    public ValueTask DisposeAsync() => Llm.DisposeAsync();
}

public class LlmTests(LoadedModel loaded) : IClassFixture<LoadedModel>
{
    private const string Artist = "artist (noun): a person whose creative work shows sensitivity and imagination";

    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 64 };

    private Llm Llm => loaded.Llm;

    [Fact]
    public async Task Prompts_are_answered_in_order_and_alike_alone_or_together()
    {
        string[] prompts = ["Define", "1 2 3", "The", "a b c d", "Once upon a time"];
        RequestOutput[] together = await Llm.GenerateAsync(prompts, Greedy with { MaxTokens = 8 });
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(prompts[i], together[i].Prompt);
            RequestOutput alone = await Llm.GenerateAsync(prompts[i], Greedy with { MaxTokens = 8 });
            Assert.Equal(alone.Outputs[0].TokenIds, together[i].Outputs[0].TokenIds);
        }
    }

    [Fact]
    public async Task Text_and_its_tokens_are_the_same_prompt()
    {
        int[] tokens = Llm.Tokenizer.Encode("1 2 3 4", addSpecialTokens: true);
        RequestOutput text = await Llm.GenerateAsync("1 2 3 4", Greedy);
        RequestOutput ids = (await Llm.GenerateAsync([tokens], Greedy))[0];
        Assert.Equal(text.Outputs[0].Text, ids.Outputs[0].Text);
        Assert.Null(ids.Prompt);
    }

    [Fact]
    public async Task Each_prompt_may_have_parameters_of_its_own()
    {
        RequestOutput[] outputs = await Llm.GenerateAsync([Prompt.FromText("a"), Prompt.FromText("b")],
            [Greedy with { MaxTokens = 2, IgnoreEos = true }, Greedy with { MaxTokens = 5, IgnoreEos = true }]);
        Assert.Equal([2, 5], outputs.Select(output => output.Outputs[0].TokenIds.Count));
        await Assert.ThrowsAsync<ArgumentException>(() => Llm.GenerateAsync([Prompt.FromText("a")], [Greedy, Greedy]));
    }

    [Fact]
    public async Task A_refused_prompt_leaves_nothing_of_its_call_behind()
    {
        QuireException refused = await Assert.ThrowsAsync<QuireException>(() => Llm.GenerateAsync(["fine", ""], Greedy));
        Assert.Equal("The decoder prompt cannot be empty", refused.Message);
        Assert.Single((await Llm.GenerateAsync(["still here"], Greedy with { MaxTokens = 1 }))[0].Outputs[0].TokenIds);
    }

    [Fact]
    public async Task A_stream_is_the_answer_in_pieces()
    {
        RequestOutput whole = await Llm.GenerateAsync("1 2 3", Greedy with { IgnoreEos = true, MaxTokens = 20 });
        var text = new StringBuilder();
        var tokens = new List<int>();
        RequestOutput? last = null;
        await foreach (RequestOutput delta in Llm.StreamAsync("1 2 3", Greedy with { IgnoreEos = true, MaxTokens = 20 }, CancellationToken.None))
        {
            text.Append(delta.Outputs[0].Text);
            tokens.AddRange(delta.Outputs[0].TokenIds);
            last = delta;
        }

        Assert.Equal(whole.Outputs[0].Text, text.ToString());
        Assert.Equal(whole.Outputs[0].TokenIds, tokens);
        Assert.True(last!.Finished);
        Assert.NotNull(last.Metrics);
        Assert.Equal(FinishReason.Length, last.Outputs[0].FinishReason);
    }

    [Fact]
    public async Task A_final_only_stream_has_one_item()
    {
        var items = new List<RequestOutput>();
        await foreach (RequestOutput item in Llm.StreamAsync("1 2 3", Greedy with { OutputKind = RequestOutputKind.FinalOnly }))
            items.Add(item);
        Assert.True(Assert.Single(items).Finished);
    }

    [Fact]
    public async Task Leaving_a_stream_frees_it()
    {
        await foreach (RequestOutput delta in Llm.StreamAsync("1 2 3", Greedy with { IgnoreEos = true, MaxTokens = 900 }))
        {
            if (delta.Outputs[0].TokenIds.Count > 0)
                break;
        }

        Assert.Single((await Llm.GenerateAsync("a", Greedy with { MaxTokens = 1 })).Outputs[0].TokenIds);
    }

    [Fact]
    public async Task A_chat_is_answered_by_its_template()
    {
        RequestOutput output = await Llm.ChatAsync([new ChatMessage(ChatRole.User, "Define artist.")], Greedy);
        Assert.Equal(Artist, output.Outputs[0].Text);
    }

    [Fact]
    public async Task The_chat_client_answers_with_usage_and_reason()
    {
        using IChatClient chat = Llm.AsChatClient();
        ChatResponse response = await chat.GetResponseAsync([new ChatMessage(ChatRole.User, "Define artist.")], new ChatOptions { Temperature = 0 });
        Assert.Equal(Artist, response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(ChatRole.Assistant, response.Messages[0].Role);
        Assert.True(response.Usage!.InputTokenCount > 5);
        Assert.Equal(response.Usage.InputTokenCount + response.Usage.OutputTokenCount, response.Usage.TotalTokenCount);
        Assert.Equal(Llm.Model.ServedNames[0], response.ModelId);
    }

    [Fact]
    public async Task The_chat_client_streams_the_same_text_and_ends_with_usage()
    {
        using IChatClient chat = Llm.AsChatClient();
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in chat.GetStreamingResponseAsync([new ChatMessage(ChatRole.User, "Define artist.")], new ChatOptions { Temperature = 0 }))
            updates.Add(update);
        Assert.Equal(Artist, string.Concat(updates.Select(update => update.Text)));
        ChatResponse gathered = updates.ToChatResponse();
        Assert.Equal(Artist, gathered.Text);
        Assert.Equal(ChatFinishReason.Stop, gathered.FinishReason);
        Assert.True(gathered.Usage!.OutputTokenCount > 5);
    }

    [Fact]
    public async Task Chat_options_reach_the_sampler()
    {
        using IChatClient chat = Llm.AsChatClient();
        ChatMessage[] question = [new(ChatRole.User, "Define artist.")];
        ChatResponse cut = await chat.GetResponseAsync(question, new ChatOptions { Temperature = 0, StopSequences = [" person"] });
        Assert.Equal("artist (noun): a", cut.Text);
        ChatResponse @short = await chat.GetResponseAsync(question, new ChatOptions { Temperature = 0, MaxOutputTokens = 2 });
        Assert.Equal(ChatFinishReason.Length, @short.FinishReason);
        Assert.Equal(2, @short.Usage!.OutputTokenCount);
        var seeded = new ChatOptions { Temperature = 2, Seed = 5, MaxOutputTokens = 12 };
        Assert.Equal((await chat.GetResponseAsync(question, seeded)).Text, (await chat.GetResponseAsync(question, seeded)).Text);
        var raw = new ChatOptions { RawRepresentationFactory = _ => new SamplingParams { Temperature = 0, MaxTokens = 3, IgnoreEos = true } };
        Assert.Equal(3, (await chat.GetResponseAsync(question, raw)).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task Instructions_and_tools_come_into_the_prompt()
    {
        using IChatClient chat = Llm.AsChatClient();
        AIFunctionDeclaration tool = AIFunctionFactory.CreateDeclaration("get_weather", "Weather of a city.", System.Text.Json.JsonDocument.Parse("{\"type\":\"object\"}").RootElement);
        var output = (RequestOutput)(await chat.GetResponseAsync([new ChatMessage(ChatRole.User, "Hi")],
            new ChatOptions { Temperature = 0, MaxOutputTokens = 1, Instructions = "Be brief.", Tools = [tool] })).RawRepresentation!;
        Assert.Contains("Be brief.", output.Prompt, StringComparison.Ordinal);
        Assert.Contains("get_weather", output.Prompt, StringComparison.Ordinal);
        var none = (RequestOutput)(await chat.GetResponseAsync([new ChatMessage(ChatRole.User, "Hi")],
            new ChatOptions { Temperature = 0, MaxOutputTokens = 1, Tools = [tool], ToolMode = ChatToolMode.None })).RawRepresentation!;
        Assert.DoesNotContain("get_weather", none.Prompt, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tool_calls_and_results_of_earlier_turns_come_into_the_prompt()
    {
        using IChatClient chat = Llm.AsChatClient();
        var output = (RequestOutput)(await chat.GetResponseAsync(
            [
                new ChatMessage(ChatRole.User, "Weather in Oslo?"),
                new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("c1", "get_weather", new Dictionary<string, object?> { ["city"] = "Oslo" })]),
                new ChatMessage(ChatRole.Tool, [new FunctionResultContent("c1", "rain")]),
            ],
            new ChatOptions { Temperature = 0, MaxOutputTokens = 1 })).RawRepresentation!;
        Assert.Contains("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", output.Prompt, StringComparison.Ordinal);
        Assert.Contains("<tool_response>\nrain\n</tool_response>", output.Prompt, StringComparison.Ordinal);
    }

    [Fact]
    public void The_client_hands_out_what_it_is_made_of()
    {
        using IChatClient chat = Llm.AsChatClient();
        Assert.Equal("quire", chat.GetService<ChatClientMetadata>()!.ProviderName);
        Assert.Same(Llm, chat.GetService<Llm>());
        Assert.Null(chat.GetService(typeof(string)));
    }

    [Fact]
    public async Task A_bad_option_or_model_is_an_error_with_a_code()
    {
        Assert.Equal("QRE1002", (await Assert.ThrowsAsync<QuireException>(() => Llm.LoadAsync(null, new EngineOptions { MaxNumSeqs = 0 }))).Code);
        Assert.Equal("QRE1006", (await Assert.ThrowsAsync<QuireException>(() => Llm.LoadAsync(null, new EngineOptions { TensorParallelSize = 2 }))).Code);
        Assert.Equal("QRE2001", (await Assert.ThrowsAsync<QuireException>(() => Llm.LoadAsync("no/such/model"))).Code);
    }
}
