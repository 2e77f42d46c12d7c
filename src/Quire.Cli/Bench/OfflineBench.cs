using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Cli.Bench;

/// <summary>Runs requests of a benchmark inside this process.</summary>
internal static class OfflineBench
{
    /// <summary>Submits all requests and waits for all; gives prompt and output tokens.</summary>
    public static async Task<(long Prompt, long Output)> RunAsync(InferenceEngine engine, IReadOnlyList<BenchRequest> requests, SamplingParams sampling, CancellationToken cancellationToken)
    {
        var handles = new List<GenerationHandle>(requests.Count);
        try
        {
            foreach (BenchRequest request in requests)
            {
                Prompt prompt = request.PromptTokenIds is { } ids ? Prompt.FromTokens(ids) : Prompt.FromText(request.Prompt!);
                handles.Add(engine.Submit(new GenerationRequest { Prompt = prompt, Sampling = sampling with { MaxTokens = request.OutputLength } }));
            }

            RequestOutput[] outputs = await Task.WhenAll(handles.Select(handle => handle.CompleteAsync(cancellationToken))).ConfigureAwait(false);
            return (outputs.Sum(output => (long)output.PromptTokenIds.Count), outputs.Sum(output => output.Outputs.Sum(each => (long)each.TokenIds.Count)));
        }
        finally
        {
            foreach (GenerationHandle handle in handles)
                handle.Dispose();
        }
    }
}
