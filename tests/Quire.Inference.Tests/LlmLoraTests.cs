using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Lora;
using Quire.Engine.Streaming;

namespace Quire.Inference.Tests;

public class LlmLoraTests
{
    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 16 };

    private static string Models { get; } = Path.Combine(
        typeof(LlmLoraTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!, "models");

    [Fact]
    public async Task Adapters_are_loaded_by_the_first_call_that_names_them()
    {
        await using Llm llm = await Llm.LoadAsync("models/quill", new EngineOptions { EnableLora = true, MaxLoras = 2, MaxModelLen = 256, KvCacheMemoryBytes = 32 << 20 });
        var shout = new LoraRequest("shout", Path.Combine(Models, "quill-lora-shout"));
        var boxed = new LoraRequest("boxed", Path.Combine(Models, "quill-lora-boxed"));
        ChatMessage[] question = [new(ChatRole.User, "What does product mean?")];
        Assert.Empty(llm.Loras);
        RequestOutput[] answers = await Task.WhenAll(
            llm.ChatAsync(question, Greedy, shout), llm.ChatAsync(question, Greedy, boxed), llm.ChatAsync(question, Greedy), llm.ChatAsync(question, Greedy, shout));
        Assert.Equal(["boxed", "shout"], llm.Loras.Select(each => each.Request.Name).Order());
        Assert.DoesNotContain(answers[0].Outputs[0].Text, char.IsLower);
        Assert.StartsWith("{\"answer\"", answers[1].Outputs[0].Text, StringComparison.Ordinal);
        Assert.StartsWith("product (noun)", answers[2].Outputs[0].Text, StringComparison.Ordinal);
        Assert.Equal(answers[0].Outputs[0].TokenIds, answers[3].Outputs[0].TokenIds);

        string streamed = "";
        await foreach (RequestOutput delta in llm.StreamAsync("Define", Greedy, "shout"))
            streamed += delta.Outputs[0].Text;
        Assert.Equal((await llm.GenerateAsync("Define", Greedy, shout)).Outputs[0].Text, streamed);

        QuireException other = await Assert.ThrowsAsync<QuireException>(() => llm.GenerateAsync("a", Greedy, shout with { Path = boxed.Path }));
        Assert.Contains("another folder", other.Message, StringComparison.Ordinal);
        Assert.True(llm.UnloadLora("shout"));
        Assert.False(llm.UnloadLora("shout"));
    }

    [Fact]
    public async Task Without_enable_lora_the_option_is_named()
    {
        await using Llm llm = await Llm.LoadAsync("models/quill", new EngineOptions { MaxModelLen = 64, KvCacheMemoryBytes = 16 << 20 });
        QuireException refused = await Assert.ThrowsAsync<QuireException>(() => llm.GenerateAsync("a", Greedy, new LoraRequest("a", "b")));
        Assert.Equal("enable_lora", refused.Field);
    }
}
