using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.GpuBench;

/// <summary>
/// Many different requests at once on the GPU, in BF16 or quantised, against the CPU's answers in F32: greedy ones, in between others that
/// draw, repeat, stop or are given up. Where the GPU takes another token the CPU's two candidates have to be nearly tied; the rest is then
/// compared from the CPU's own tokens on.
/// </summary>
internal static class RequestCheck
{
    /// <summary>Difference of two log-probabilities that the roundings of BF16 can make, over some layers.</summary>
    private const double NearTie = 0.15;

    /// <summary>The same where the cache holds FP8: a rounding of BF16 makes one code in thirty the next one, which is a sixteenth away.</summary>
    private const double NearTieOfFloat8 = 0.4;

    public static int Run(string[] arguments)
    {
        string folder = arguments[0];
        int count = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 1000;
        int seed = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : Environment.TickCount;
        return RunAsync(folder, count, seed, arguments.ElementAtOrDefault(3) ?? "auto").GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(string folder, int count, int seed, string cacheType)
    {
        EngineOptions options = new() { Model = folder, MaxModelLen = 512, MaxNumSeqs = 200, MaxNumBatchedTokens = 700, KvCacheMemoryBytes = 256L << 20, KvCacheDType = cacheType };
        EngineOptions onCpu = options with { Device = "cpu", DType = "float32" };
        EngineOptions onGpu = options with { Device = "cuda", DType = "bfloat16" };
        await using InferenceEngine cpu = await InferenceEngine.StartAsync(onCpu, BackendSelector.Create(onCpu));
        await using InferenceEngine gpu = await InferenceEngine.StartAsync(onGpu, BackendSelector.Create(onGpu));
        var random = new Random(seed);
        int vocabulary = cpu.Model.VocabularySize;
        int[] shared = Draw(random, 150, vocabulary);
        var requests = Enumerable.Range(0, count).Select(i => new
        {
            // A third begins alike, so that blocks are shared; a tenth is one token.
            Prompt = (int[])[.. i % 3 == 0 ? shared : [], .. Draw(random, i % 10 == 1 ? 1 : random.Next(1, 250), vocabulary)],
            Tokens = random.Next(1, 60),
            Kind = i % 4,
        }).ToArray();
        Console.WriteLine($"{folder}: {count} requests, seed {seed}, KV cache {cacheType}");
        Task<RequestOutput>[] expected = [.. requests.Select(r => Submit(cpu, r.Prompt, r.Tokens, logprobs: 5))];
        Task<RequestOutput>[] actual = [.. requests.Select((r, i) =>
        {
            Disturb(gpu, r.Prompt, r.Kind, i);
            return Submit(gpu, r.Prompt, r.Tokens, r.Kind == 2 ? 3 : null);
        })];
        int ties = 0;
        int wrong = 0;
        for (int i = 0; i < count; i++)
        {
            CompletionOutput reference = (await expected[i]).Outputs[0];
            (int Ties, string? Fault) result = await Compare(gpu, requests[i].Prompt, reference, (await actual[i]).Outputs[0].TokenIds, cacheType.StartsWith("fp8", StringComparison.Ordinal) ? NearTieOfFloat8 : NearTie);
            ties += result.Ties;
            wrong += result.Fault is null ? 0 : 1;
            if (result.Fault is not null && wrong <= 10)
            {
                Console.WriteLine($"FAILED request {i}: {result.Fault}");
            }
        }

        Console.WriteLine($"{(wrong == 0 ? "ok" : "FAILED")} {count - wrong} of {count} as on the CPU, {ties} near ties taken the other way");
        return wrong == 0 ? 0 : 1;
    }

    private static async Task<(int Ties, string? Fault)> Compare(InferenceEngine gpu, int[] prompt, CompletionOutput reference, IReadOnlyList<int> tokens, double nearTie)
    {
        int ties = 0;
        int from = 0;
        while (true)
        {
            int at = Enumerable.Range(0, tokens.Count).FirstOrDefault(i => from + i >= reference.TokenIds.Count || tokens[i] != reference.TokenIds[from + i], -1);
            if (at < 0)
            {
                return (ties, from + tokens.Count == reference.TokenIds.Count ? null : $"{from + tokens.Count} tokens, the CPU has {reference.TokenIds.Count}");
            }

            int position = from + at;
            if (position >= reference.TokenIds.Count)
            {
                return (ties, $"{from + tokens.Count} tokens, the CPU has {reference.TokenIds.Count}");
            }

            IReadOnlyList<TokenLogprob> candidates = reference.Logprobs![position].Entries;
            TokenLogprob? other = candidates.Cast<TokenLogprob?>().FirstOrDefault(c => c!.Value.TokenId == tokens[at]);
            if (other is null || candidates[0].Logprob - other.Value.Logprob > nearTie)
            {
                return (ties, $"token {position} is {tokens[at]}, the CPU's {reference.TokenIds[position]} is {(other is null ? "far" : (candidates[0].Logprob - other.Value.Logprob).ToString("F3", CultureInfo.InvariantCulture))} better");
            }

            ties++;
            from = position + 1;
            if (from == reference.TokenIds.Count)
            {
                return (ties, null);
            }

            tokens = (await Submit(gpu, [.. prompt, .. reference.TokenIds.Take(from)], reference.TokenIds.Count - from, null)).Outputs[0].TokenIds;
        }
    }

    /// <summary>Requests whose answers nobody compares, in the same steps.</summary>
    private static void Disturb(InferenceEngine gpu, int[] prompt, int kind, int i)
    {
        if (kind == 1)
        {
            gpu.Submit(new GenerationRequest
            {
                Prompt = Prompt.FromTokens(prompt),
                Sampling = new SamplingParams { Temperature = 1, TopP = 0.9, TopK = 40, Seed = i, MaxTokens = 20, FrequencyPenalty = 0.5, N = 2 },
            });
        }
        else if (kind == 3)
        {
            GenerationHandle handle = gpu.Submit(new GenerationRequest { Prompt = Prompt.FromTokens(prompt), Sampling = new SamplingParams { Temperature = 0.7, MaxTokens = 200, IgnoreEos = true } });
            _ = Task.Delay(i % 100).ContinueWith(_ => handle.Abort(), TaskScheduler.Default);
        }
    }

    private static Task<RequestOutput> Submit(InferenceEngine engine, int[] prompt, int tokens, int? logprobs) => engine.Submit(new GenerationRequest
    {
        Prompt = Prompt.FromTokens(prompt),
        Sampling = new SamplingParams { Temperature = 0, MaxTokens = tokens, Logprobs = logprobs },
    }).CompleteAsync();

    private static int[] Draw(Random random, int count, int vocabulary) => [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
}
