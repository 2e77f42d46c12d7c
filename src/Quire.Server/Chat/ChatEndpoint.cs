using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Server.Http;
using Quire.Server.Serving;
using Quire.Tokenization;

namespace Quire.Server.Chat;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(ServerContext server)
{
    public async Task HandleAsync(HttpContext context)
    {
        long arrival = Stopwatch.GetTimestamp();
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        ChatRequest request = ChatRequest.Read(body.Root, server);
        string name = server.NameFor(request.Fields.Model);
        RenderedChat chat = RenderedChat.Render(server, request.Template, request.Messages);
        RequestIdentity identity = RequestIdentity.Create(context, "chatcmpl-", request.Fields.RequestId, name);
        CancellationToken gone = context.RequestAborted;
        using var generations = new GenerationSet();
        generations.Submit(server.Engine, MakeRequest(server, context, request, chat.Prompt, identity.Id, arrival));
        RequestLog.Accepted(server, identity, request.Fields, generations);
        var form = new ChatForm(server, identity, request, chat.Text, EchoText(server, request, chat));
        if (request.Fields.Stream)
        {
            await SseWriter.StartAsync(context);
            using var events = new SseWriter(context);
            RequestLog.Failed(server, await StreamPump.RunAsync(generations.Items, events, new ChatChunks(form, generations), gone));
            return;
        }

        CollectedOutput[] outputs = await CollectedOutput.CollectAsync(generations.Items[0], gone);
        RequestLog.Finished(server, identity, [outputs]);
        await JsonAnswer.WriteAsync(context, 200, (form, generations, outputs),
            static (json, state) => ChatAnswer.Write(json, state.form, state.generations, [state.outputs]));
    }

    internal static GenerationRequest MakeRequest(
        ServerContext server, HttpContext context, ChatRequest request, GuardedText prompt, string id, long arrival)
    {
        ModelInfo model = server.Engine.Model;
        int? maxTokens = request.MaxTokens;
        server.CheckMaxTokens(maxTokens);
        maxTokens ??= model.GenerationDefaults.MaxNewTokens;
        SamplingParams sampling = request.Fields.ToSampling(
            model.GenerationDefaults, maxTokens, request.Logprobs ? request.TopLogprobs : null, request.Fields.PromptLogprobs);
        return new GenerationRequest
        {
            Prompt = Prompt.FromText(prompt, request.Fields.AddSpecialTokens ?? false),
            Sampling = sampling,
            RequestId = id,
            Priority = RequestIdentity.Priority(context, request.Fields.Priority),
            CacheSalt = request.Fields.CacheSalt,
            Lora = server.CheckModel(request.Fields.Model),
            TruncatePromptTokens = request.Fields.TruncatePromptTokens,
            RejectOverlongOutput = request.MaxTokens is not null,
            ArrivalTimestamp = arrival,
        };
    }

    /// <summary>Echo gives the last message back when it is of the role that the answer has.</summary>
    internal static string? EchoText(ServerContext server, ChatRequest request, in RenderedChat chat) =>
        request.Fields.Echo && string.Equals(chat.LastRole, server.Options.ResponseRole, StringComparison.Ordinal) ? chat.LastContent : null;
}
