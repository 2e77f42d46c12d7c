using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Cpu;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests;

/// <summary>Many requests at once, on a model so small that the engine around it is what is tested.</summary>
public class EngineLoadTests
{
    private const string TinyConfig = """
        {
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 128, "max_position_embeddings": 512,
          "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "dtype": "float32"
        }
        """;

    [Fact]
    public async Task Two_hundred_clients_get_the_answer_that_each_gets_alone()
    {
        await using InferenceEngine engine = await StartTinyAsync(options => options with { MaxNumSeqs = 32, MaxNumBatchedTokens = 64 });
        GenerationRequest[] requests = [.. Enumerable.Range(0, 200).Select(i => Request(i, 1 + i % 40, 5 + i % 30))];
        IReadOnlyList<int>[] together = await Task.WhenAll(requests.Select(request => Task.Run(() => TokensAsync(engine, request))));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(await TokensAsync(engine, requests[i]), together[i]);
            Assert.Equal(requests[i].Sampling.MaxTokens, together[i].Count);
        }
    }

    [Fact]
    public async Task Ten_thousand_random_disconnects_leak_no_block_and_lose_no_count()
    {
        const int Total = 10_000;
        const int Clients = 50;
        await using InferenceEngine engine = await StartTinyAsync(
            options => options with { MaxNumSeqs = 16, MaxNumBatchedTokens = 64, KvCacheMemoryBytes = null, NumGpuBlocksOverride = 80 });
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (int i = Interlocked.Increment(ref next); i <= Total; i = Interlocked.Increment(ref next))
            {
                using GenerationHandle handle = engine.Submit(Request(i, 1 + random.Next(20), 1 + random.Next(12)));
                for (int reads = random.Next(4); reads > 0 && await handle.ReadAsync() is not null; reads--)
                {
                }

                // Leaving the block disposes the handle, wherever the request stands: waiting, computing its prompt, decoding or finished.
            }
        })));

        await WaitUntil(() => engine.Metrics.RequestsRunning + engine.Metrics.RequestsWaiting == 0 && engine.Metrics.KvCacheUsage == 0);
        Assert.Equal(Total, Enum.GetValues<FinishReason>().Sum(reason => engine.Metrics.Finished(reason).Value));
        Assert.True(engine.Metrics.Finished(FinishReason.Abort).Value > 0);
        Assert.True(await engine.ResetPrefixCacheAsync(), "a block is still held");
        Assert.Equal(EngineState.Ok, engine.Health.State);
    }

    [Fact]
    public async Task Steady_decode_allocates_nothing_on_the_engine_thread()
    {
        await using InferenceEngine engine = await StartTinyAsync(options => options with { MaxNumSeqs = 64, MaxNumBatchedTokens = 256 });
        GenerationHandle[] handles = [.. Enumerable.Range(0, 64).Select(i => engine.Submit(Request(i, 8, 400)))];
        Task readers = Task.WhenAll(handles.Select(handle => Task.Run(() => handle.CompleteAsync())));

        // Lists of tokens and blocks grow by doubling, so a window without growth is looked for; most windows are one.
        var grown = new List<long>();
        long lastTokens = 0;
        long lastBytes = 0;
        while (!readers.IsCompleted)
        {
            long tokens = engine.Metrics.GenerationTokens.Value;
            if (tokens - lastTokens >= 64 * 20)
            {
                long bytes = engine.Metrics.EngineThreadAllocatedBytes;
                grown.Add(bytes - lastBytes);
                (lastTokens, lastBytes) = (tokens, bytes);
            }

            Thread.Sleep(1);
        }

        await readers;
        Assert.True(grown.Count >= 6, $"only {grown.Count} windows were seen");
        Assert.True(grown.Skip(2).Count(bytes => bytes == 0) * 2 >= grown.Count - 2, $"bytes per window: {string.Join(", ", grown)}");
    }

    [Fact]
    public async Task Draining_finishes_what_runs_and_takes_nothing_new()
    {
        await using InferenceEngine engine = await StartTinyAsync(options => options with { MaxNumSeqs = 8, MaxNumBatchedTokens = 64 });
        Task<RequestOutput>[] running = [.. Enumerable.Range(0, 20).Select(i => engine.Submit(Request(i, 5, 50)).CompleteAsync())];
        Task<bool> drained = engine.DrainAsync(TimeSpan.FromSeconds(60));
        QuireException refused = Assert.Throws<QuireException>(() => engine.Submit(Request(0, 5, 5)));
        Assert.Equal(ErrorKind.Unavailable, refused.Kind);
        Assert.Equal(EngineState.Draining, engine.Health.State);
        Assert.True(await drained);
        Assert.All(await Task.WhenAll(running), output => Assert.Equal(50, output.Outputs[0].TokenIds.Count));
    }

    [Fact]
    public async Task Disposing_the_engine_ends_open_requests_with_an_error()
    {
        InferenceEngine engine = await StartTinyAsync(options => options with { MaxNumSeqs = 4, MaxNumBatchedTokens = 64 });
        Task<RequestOutput>[] running = [.. Enumerable.Range(0, 8).Select(i => engine.Submit(Request(i, 5, 480)).CompleteAsync())];
        await engine.DisposeAsync();
        foreach (Task<RequestOutput> task in running)
        {
            if (await Record.ExceptionAsync(() => task) is { } exception)
            {
                Assert.Equal(ErrorKind.Unavailable, Assert.IsType<QuireException>(exception).Kind);
            }
        }

        Assert.Throws<QuireException>(() => engine.Submit(Request(0, 5, 5)));
    }

    [Fact]
    public async Task Cancelling_a_reader_aborts_its_request_and_no_other()
    {
        await using InferenceEngine engine = await StartTinyAsync(options => options with { MaxNumSeqs = 8, MaxNumBatchedTokens = 64 });
        using var cancel = new CancellationTokenSource();
        GenerationHandle victim = engine.Submit(Request(1, 5, 500));
        Task<RequestOutput> other = engine.Submit(Request(2, 5, 100)).CompleteAsync();
        await victim.ReadAsync();
        Task<RequestOutput> reading = victim.CompleteAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal(100, (await other).Outputs[0].TokenIds.Count);
        await WaitUntil(() => engine.Metrics.RequestsRunning == 0);
        Assert.Equal(1, engine.Metrics.Finished(FinishReason.Abort).Value);
    }

    private static async Task<InferenceEngine> StartTinyAsync(Func<EngineOptions, EngineOptions> configure)
    {
        string folder = Directory.CreateTempSubdirectory("quire-test-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), TinyConfig);
            EngineOptions options = configure(new EngineOptions
            {
                Model = folder,
                LoadFormat = "dummy",
                SkipTokenizerInit = true,
                KvCacheMemoryBytes = 16 << 20,
                DisableLogStats = true,
            });
            return await InferenceEngine.StartAsync(options, new CpuBackend(new CpuOptions()), UsageContext.OfflineBatch);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static GenerationRequest Request(int seed, int promptLength, int maxTokens) => new()
    {
        Prompt = Prompt.FromTokens([.. Enumerable.Range(0, promptLength).Select(i => (seed * 31 + i * 7) % 128)]),
        Sampling = new SamplingParams { Temperature = seed % 2 == 0 ? 0 : 1, Seed = seed, MaxTokens = maxTokens, IgnoreEos = true },
    };

    private static async Task<IReadOnlyList<int>> TokensAsync(InferenceEngine engine, GenerationRequest request) =>
        (await engine.Submit(request).CompleteAsync()).Outputs[0].TokenIds;

    private static async Task WaitUntil(Func<bool> condition)
    {
        for (int i = 0; i < 1000 && !condition(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(condition());
    }
}
