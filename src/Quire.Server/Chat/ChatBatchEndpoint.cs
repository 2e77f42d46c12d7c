using System.Collections.Generic;
using System.Diagnostics;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Core.Requests;
using Quire.Server.Http;
using Quire.Server.Requests;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary><c>POST /v1/chat/completions/batch</c>: a list of conversations with one set of parameters, answered as one list of choices.</summary>
internal sealed class ChatBatchEndpoint(ServerContext server)
{
    public async Task HandleAsync(HttpContext context)
    {
        long arrival = Stopwatch.GetTimestamp();
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        ChatRequest request = ChatRequest.Read(body.Root, server);
        string name = server.NameFor(request.Fields.Model);
        CheckRules(request);
        RequestIdentity identity = RequestIdentity.Create(context, "chatcmpl-", request.Fields.RequestId, name);
        using var generations = new GenerationSet();
        foreach (JsonElement messages in request.Messages.EnumerateArray())
        {
            RenderedChat chat = RenderedChat.Render(server, request.Template, messages);
            string id = $"{identity.Id}-{generations.Items.Count}";
            generations.Submit(server.Engine, ChatEndpoint.MakeRequest(server, context, request, chat.Prompt, id, arrival));
        }

        RequestLog.Accepted(server, identity, request.Fields, generations);
        var outputs = new List<CollectedOutput[]>(generations.Items.Count);
        foreach (IGeneration generation in generations.Items)
        {
            outputs.Add(await CollectedOutput.CollectAsync(generation, context.RequestAborted));
        }

        RequestLog.Finished(server, identity, outputs);
        var form = new ChatForm(server, identity, request, promptText: "", echoText: null);
        await JsonAnswer.WriteAsync(context, 200, (form, generations, outputs),
            static (json, state) => ChatAnswer.Write(json, state.form, state.generations, state.outputs));
    }

    private void CheckRules(ChatRequest request)
    {
        const string At = "body.messages";
        if (request.Messages.ValueKind is JsonValueKind.Undefined)
        {
            throw new ApiException(ApiError.Schema(At, "messages is required: a list of conversations"));
        }

        JsonValue.CheckList(request.Messages, At, "messages as a list of conversations", server.Options.Limits.Prompts);
        int conversations = request.Messages.GetArrayLength();
        if (conversations == 0)
        {
            throw new ApiException(ApiError.Invalid("messages", "messages must hold at least one conversation."));
        }

        if (request.Fields.Stream)
        {
            throw new ApiException(ApiError.Invalid("stream", "Streaming is not available for batches of conversations."));
        }

        if (request.Fields.Echo)
        {
            throw new ApiException(ApiError.Invalid("echo", "Echo is not available for batches of conversations."));
        }

        if ((long)request.Fields.N * conversations > SamplingParams.MaxN)
        {
            throw new ApiException(ApiError.Invalid("n",
                $"{conversations} conversations with n={request.Fields.N} are more outputs than the {SamplingParams.MaxN} that a request may have."));
        }
    }
}
