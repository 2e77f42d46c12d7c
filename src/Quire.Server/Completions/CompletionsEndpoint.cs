using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Completions;

/// <summary><c>POST /v1/completions</c>.</summary>
internal sealed class CompletionsEndpoint(ServerContext server)
{
    private const int MaxTokensDefault = 16;

    public async Task HandleAsync(HttpContext context)
    {
        long arrival = Stopwatch.GetTimestamp();
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        CompletionRequest request = CompletionRequest.Read(body.Root, server);
        string name = server.NameFor(request.Fields.Model);
        RequestIdentity identity = RequestIdentity.Create(context, "cmpl-", request.Fields.RequestId, name);
        CancellationToken gone = context.RequestAborted;
        using var generations = new GenerationSet();
        Submit(context, request, identity, arrival, generations);
        RequestLog.Accepted(server, identity, request.Fields, generations);
        var form = new CompletionForm(server, identity, request);
        if (request.Fields.Stream)
        {
            await SseWriter.StartAsync(context);
            using var events = new SseWriter(context);
            var chunks = new CompletionChunks(form, generations);
            RequestLog.Failed(server, await StreamPump.RunAsync(generations.Items, events, chunks, gone));
            return;
        }

        var outputs = new List<CollectedOutput[]>(generations.Items.Count);
        foreach (IGeneration generation in generations.Items)
        {
            outputs.Add(await CollectedOutput.CollectAsync(generation, gone));
        }

        RequestLog.Finished(server, identity, outputs);
        await JsonAnswer.WriteAsync(context, 200, (form, generations, outputs),
            static (json, state) => CompletionAnswer.Write(json, state.form, state.generations, state.outputs));
    }

    private void Submit(HttpContext context, CompletionRequest request, RequestIdentity identity, long arrival, GenerationSet generations)
    {
        ModelInfo model = server.Engine.Model;
        server.CheckMaxTokens(request.Fields.MaxTokens);
        int? maxTokens = request.IsEchoOnly ? 1 : request.Fields.MaxTokens ?? model.GenerationDefaults.MaxNewTokens ?? MaxTokensDefault;
        int? promptLogprobs = request.Fields.PromptLogprobs ?? (request.Fields.Echo ? request.Logprobs : null);
        SamplingParams sampling = request.Fields.ToSampling(model.GenerationDefaults, maxTokens, request.Logprobs, promptLogprobs);
        int priority = RequestIdentity.Priority(context, request.Fields.Priority);
        for (int i = 0; i < request.Prompts.Count; i++)
        {
            generations.Submit(server.Engine, new GenerationRequest
            {
                Prompt = request.Prompts[i],
                Sampling = sampling,
                RequestId = $"{identity.Id}-{i}",
                Priority = priority,
                CacheSalt = request.Fields.CacheSalt,
                Lora = server.CheckModel(request.Fields.Model),
                TruncatePromptTokens = request.Fields.TruncatePromptTokens,
                RejectOverlongOutput = true,
                ArrivalTimestamp = arrival,
            });
        }
    }
}
