using System;
using System.ClientModel;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using Quire.Engine.Streaming;

namespace Quire.Server.Tests;

/// <summary>OpenAI's own .NET client, unchanged, against this server.</summary>
public class OpenAiClientTests
{
    [Fact]
    public async Task Models_can_be_listed_and_read()
    {
        await using TestServer server = await TestServer.StartAsync();
        OpenAIModelClient client = Client(server).GetOpenAIModelClient();
        OpenAIModelCollection models = await client.GetModelsAsync();
        Assert.Equal(["quill", "org/quill"], models.Select(m => m.Id));
        Assert.Equal("org/quill", ((OpenAIModel)await client.GetModelAsync("org/quill")).Id);
    }

    [Fact]
    public async Task A_chat_is_answered()
    {
        await using TestServer server = await TestServer.StartAsync();
        ChatCompletion answer = await Chat(server).CompleteChatAsync(
            [new SystemChatMessage("Answer briefly."), new UserChatMessage("Hello"), new AssistantChatMessage("Hi"), new UserChatMessage("Again")]);
        Assert.Equal("one two three", answer.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(ChatMessageRole.Assistant, answer.Role);
        Assert.Equal("quill", answer.Model);
        Assert.Equal(answer.Usage.InputTokenCount + answer.Usage.OutputTokenCount, answer.Usage.TotalTokenCount);
        Assert.StartsWith("system: Answer briefly.\nuser: Hello", server.Engine.Submitted.Single().Prompt.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chat_is_streamed()
    {
        await using TestServer server = await TestServer.StartAsync();
        var text = new StringBuilder();
        ChatFinishReason? finish = null;
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in Chat(server).CompleteChatStreamingAsync([new UserChatMessage("Hello")]))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate)
            {
                text.Append(part.Text);
            }

            finish ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.Equal("one two three", text.ToString());
        Assert.Equal(ChatFinishReason.Stop, finish);
        Assert.Equal(FakeEngine.Quill.Encode("one two three", false).Length, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task Log_probabilities_are_understood()
    {
        await using TestServer server = await TestServer.StartAsync();
        ChatCompletion answer = await Chat(server).CompleteChatAsync(
            [new UserChatMessage("Hello")], new ChatCompletionOptions { IncludeLogProbabilities = true, TopLogProbabilityCount = 2 });
        ChatTokenLogProbabilityDetails first = answer.ContentTokenLogProbabilities[0];
        Assert.Equal("one", first.Token);
        Assert.Equal(-0.5, first.LogProbability, 3);
        Assert.Equal("one"u8.ToArray(), first.Utf8Bytes!.Value.ToArray());
        Assert.Equal(2, first.TopLogProbabilities.Count);
    }

    [Fact]
    public async Task A_stop_and_a_limit_have_their_reasons()
    {
        var engine = new FakeEngine { StopReason = new StopReason("four", null) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        var options = new ChatCompletionOptions();
        options.StopSequences.Add("four");
        ChatCompletion stopped = await Chat(server).CompleteChatAsync([new UserChatMessage("Hello")], options);
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.Equal(["four"], server.Engine.Submitted.Single().Sampling.Stop);
        ChatCompletion cut = await Chat(server).CompleteChatAsync([new UserChatMessage("Hello")], new ChatCompletionOptions { MaxOutputTokenCount = 1 });
        Assert.Equal(ChatFinishReason.Length, cut.FinishReason);
    }

    [Fact]
    public async Task Three_choices_are_written_as_the_client_expects()
    {
        // The client has no option for n, so the body is given as it is; its parser reads the answer.
        await using TestServer server = await TestServer.StartAsync();
        ClientResult result = await Chat(server).CompleteChatAsync(BinaryContent.Create(BinaryData.FromString(
            """{"model":"quill","messages":[{"role":"user","content":"x"}],"n":3,"temperature":1}""")));
        var answer = System.ClientModel.Primitives.ModelReaderWriter.Read<ChatCompletion>(result.GetRawResponse().Content);
        Assert.Equal("one two three", answer!.Content[0].Text);
        using var json = System.Text.Json.JsonDocument.Parse(result.GetRawResponse().Content);
        Assert.Equal(3, json.RootElement.GetProperty("choices").GetArrayLength());
    }

    [Fact]
    public async Task Errors_carry_status_and_message()
    {
        await using TestServer server = await TestServer.StartAsync();
        ClientResultException wrong = await Assert.ThrowsAsync<ClientResultException>(() => Chat(server).CompleteChatAsync(
            [new UserChatMessage("Hello")], new ChatCompletionOptions { Temperature = 3 }));
        Assert.Equal(400, wrong.Status);
        Assert.Contains("temperature must be in [0, 2]", wrong.Message, StringComparison.Ordinal);
        ClientResultException unknown = await Assert.ThrowsAsync<ClientResultException>(() => Client(server).GetChatClient("nope")
            .CompleteChatAsync([new UserChatMessage("Hello")]));
        Assert.Equal(404, unknown.Status);
        Assert.Contains("The model `nope` does not exist", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_key_is_a_401()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ApiKeys = ["right"] });
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Chat(server, "wrong").CompleteChatAsync([new UserChatMessage("x")]));
        Assert.Equal(401, error.Status);
        ChatCompletion answer = await Chat(server, "right").CompleteChatAsync([new UserChatMessage("x")]);
        Assert.Equal("one two three", answer.Content[0].Text);
    }

    internal static OpenAIClient Client(TestServer server, string key = "none") =>
        new(new ApiKeyCredential(key), new OpenAIClientOptions
        {
            Endpoint = new Uri(server.Address, "v1"),
            RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0),
        });

    private static ChatClient Chat(TestServer server, string key = "none") => Client(server, key).GetChatClient("quill");
}
