using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Lora;
using Quire.Engine.Streaming;
using Quire.Models.Lora;

namespace Quire.Engine.Tests;

public sealed class LoraEngineTests : IDisposable
{
    private readonly TinyLora _tiny = new();

    public void Dispose() => _tiny.Dispose();

    [Theory]
    [InlineData(1, 1, true)]
    [InlineData(1, 2, false)]
    [InlineData(3, 3, true)]
    [InlineData(2, 8, true)]
    public async Task More_adapters_than_slots_and_memory_answer_as_each_does_alone(int maxLoras, int maxCpuLoras, bool prefixCaching)
    {
        string?[] names = [null, "a0", "a1", "a2", "a3", "a4"];
        Dictionary<(string, int), IReadOnlyList<int>> alone = await AnswersAsync(names, 6);
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with
        {
            MaxLoras = maxLoras,
            MaxCpuLoras = maxCpuLoras,
            EnablePrefixCaching = prefixCaching,
            MaxNumSeqs = 6,
            MaxNumBatchedTokens = 48,
            LoraModules = Modules(5),
        });
        for (int round = 0; round < 3; round++)
        {
            await Task.WhenAll(alone.Keys.OrderBy(key => (key.Item2 * 7 + round) % 5).Select(async key =>
                Assert.Equal(alone[key], await TinyLora.TokensAsync(engine, TinyLora.Request(key.Item2, Name(key.Item1))))));
            Assert.InRange(engine.Loras!.Resident, 1, maxCpuLoras);
        }

        Assert.Empty(engine.Loras!.Active(true));
        Assert.Empty(engine.Loras.Active(false));
    }

    [Fact]
    public async Task Adapters_and_versions_of_one_never_share_cached_prefixes()
    {
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with { MaxLoras = 2, LoraModules = Modules(2) });
        string?[] names = [null, "a0", "a1"];
        var first = new List<IReadOnlyList<int>>();
        foreach (string? name in names)
        {
            RequestOutput output = await engine.Submit(TinyLora.Request(1, name, 64)).CompleteAsync();
            Assert.Equal(0, output.Metrics!.CachedTokens);
            first.Add(output.Outputs[0].TokenIds);
        }

        Assert.Equal(3, first.Select(tokens => string.Join(',', tokens)).Distinct().Count());
        for (int i = 0; i < names.Length; i++)
        {
            RequestOutput output = await engine.Submit(TinyLora.Request(1, names[i], 64)).CompleteAsync();
            Assert.Equal(48, output.Metrics!.CachedTokens);
            Assert.Equal(first[i], output.Outputs[0].TokenIds);
        }

        // Another adapter under the name: nothing of the old one is found, in place or after unloading.
        engine.Loras!.Load(new LoraRequest("a0", _tiny.Adapter(77)), inPlace: true);
        RequestOutput replaced = await engine.Submit(TinyLora.Request(1, "a0", 64)).CompleteAsync();
        Assert.Equal(0, replaced.Metrics!.CachedTokens);
        Assert.NotEqual(first[1], replaced.Outputs[0].TokenIds);
        Assert.True(engine.Loras.Unload("a0"));
        engine.Loras.Load(new LoraRequest("a0", _tiny.Adapter(0, rank: 1)));
        RequestOutput again = await engine.Submit(TinyLora.Request(1, "a0", 64)).CompleteAsync();
        Assert.Equal(0, again.Metrics!.CachedTokens);
        Assert.Equal(first[1], again.Outputs[0].TokenIds);
    }

    [Fact]
    public async Task Adapters_come_and_go_under_load_and_every_request_keeps_its_version()
    {
        const int Versions = 3;
        var expected = new HashSet<string>[10];
        await using (InferenceEngine reference = await _tiny.StartAsync(options => options with { LoraModules = Modules(Versions) }))
        {
            for (int seed = 0; seed < expected.Length; seed++)
            {
                expected[seed] = [];
                for (int version = 0; version < Versions; version++)
                {
                    expected[seed].Add(string.Join(',', await TinyLora.TokensAsync(reference, TinyLora.Request(seed, $"a{version}", maxTokens: 40))));
                }
            }
        }

        await using InferenceEngine engine = await _tiny.StartAsync(options => options with
        {
            MaxLoras = 1,
            MaxNumSeqs = 8,
            MaxNumBatchedTokens = 32,
            KvCacheMemoryBytes = null,
            NumGpuBlocksOverride = 40,
        });
        using var stop = new CancellationTokenSource();
        Task churn = Task.Run(async () =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                foreach (string name in (string[])["x", "y"])
                {
                    string folder = _tiny.Adapter(i % Versions, $"{name}-{i}", 1 + i % Versions);
                    if (i % 2 == 0)
                    {
                        engine.Loras!.Load(new LoraRequest(name, folder), inPlace: true);
                    }
                    else
                    {
                        engine.Loras!.Unload(name);
                        engine.Loras.Load(new LoraRequest(name, folder));
                    }

                    // What was there before may be gone from the disk: requests have their weights in memory.
                    string before = Path.Combine(_tiny.Root, $"{name}-{i - 1}");
                    if (Directory.Exists(before))
                    {
                        Directory.Delete(before, recursive: true);
                    }
                }

                await Task.Delay(2);
            }
        });
        int answered = 0;
        int unknown = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (int i = 0; i < 40; i++)
            {
                int seed = random.Next(expected.Length);
                try
                {
                    string tokens = string.Join(',', await TinyLora.TokensAsync(engine, TinyLora.Request(seed, random.Next(2) == 0 ? "x" : "y", maxTokens: 40)));
                    Assert.Contains(tokens, expected[seed]);
                    Interlocked.Increment(ref answered);
                }
                catch (QuireException refused)
                {
                    // Between unloading and loading there is no such adapter; an adapter may also go while a request for it comes.
                    Assert.True(refused.Kind is ErrorKind.NotFound or ErrorKind.Request, refused.ToString());
                    Interlocked.Increment(ref unknown);
                }
            }
        })));
        await stop.CancelAsync();
        await churn;
        Assert.True(answered > 100, $"{answered} were answered, {unknown} refused");
        Assert.Equal(EngineState.Ok, engine.Health.State);
        Assert.Empty(engine.Loras!.Active(true));
        Assert.InRange(engine.Loras.Resident, 0, 1);
    }

    [Fact]
    public async Task Files_that_changed_since_they_were_loaded_end_their_requests_and_no_others()
    {
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with { MaxLoras = 1, LoraModules = Modules(2) });
        IReadOnlyList<int> before = await TinyLora.TokensAsync(engine, TinyLora.Request(3, "a1"));
        await TinyLora.TokensAsync(engine, TinyLora.Request(3, "a0"));
        File.AppendAllText(Path.Combine(_tiny.Root, "adapter-1", LoraConfig.FileName), " ");

        QuireException lost = Assert.Throws<QuireException>(() => engine.Submit(TinyLora.Request(3, "a1")));
        Assert.Contains("have changed since it was loaded; load it again", lost.Message, StringComparison.Ordinal);
        Assert.NotEmpty(await TinyLora.TokensAsync(engine, TinyLora.Request(3, "a0")));
        engine.Loras!.Load(new LoraRequest("a1", Path.Combine(_tiny.Root, "adapter-1")), inPlace: true);
        Assert.Equal(before, await TinyLora.TokensAsync(engine, TinyLora.Request(3, "a1")));
    }

    [Fact]
    public async Task Requests_that_wait_while_their_adapter_is_lost_end_with_an_error()
    {
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with { MaxLoras = 1, LoraModules = Modules(3) });
        GenerationHandle[] running = [.. Enumerable.Range(0, 16).Select(i => engine.Submit(TinyLora.Request(i, "a0", maxTokens: 480)))];
        int tokens = (await running[0].ReadAsync())!.TokenIds.Count;
        Task<RequestOutput> waiting = engine.Submit(TinyLora.Request(2, "a1", maxTokens: 5)).CompleteAsync();

        // Pushes a1 out of host memory, which holds one adapter, and takes its files away.
        Task<RequestOutput> last = engine.Submit(TinyLora.Request(2, "a2", maxTokens: 5)).CompleteAsync();
        Directory.Delete(Path.Combine(_tiny.Root, "adapter-1"), recursive: true);
        for (int i = 0; i < 1000 && engine.Loras!.Active(running: false).Count < 2; i++)
        {
            await Task.Delay(1);
        }

        Assert.Equal(["a1", "a2"], engine.Loras!.Active(running: false));
        Assert.Equal(["a0"], engine.Loras.Active(running: true));
        for (int i = 0; i < 1000 && engine.Metrics.RequestsDeferred < 2; i++)
        {
            await Task.Delay(1);
        }

        Assert.Equal(2, engine.Metrics.RequestsDeferred);
        Assert.Equal(480, tokens + (await Task.WhenAll(running.Select(handle => handle.CompleteAsync())))[0].Outputs[0].TokenIds.Count);
        Assert.Equal(FinishReason.Error, (await waiting).Outputs[0].FinishReason);
        Assert.Equal(FinishReason.Length, (await last).Outputs[0].FinishReason);
        Assert.Equal(EngineState.Ok, engine.Health.State);
    }

    [Fact]
    public async Task Several_outputs_scores_and_aborts_leave_no_request_counted()
    {
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with { MaxLoras = 2, LoraModules = Modules(2), MaxNumSeqs = 4 });
        IReadOnlyList<int> greedy = await TinyLora.TokensAsync(engine, TinyLora.Request(5, "a1"));
        GenerationRequest request = TinyLora.Request(5, "a1");
        RequestOutput scored = await engine.Submit(request with { Sampling = request.Sampling with { Logprobs = 2, PromptLogprobs = 1 } }).CompleteAsync();
        Assert.Equal(greedy, scored.Outputs[0].TokenIds);
        RequestOutput plain = await engine.Submit(request with { Lora = null, Sampling = request.Sampling with { PromptLogprobs = 1 } }).CompleteAsync();
        Assert.NotEqual(plain.PromptLogprobs![5]!.Entries[0].Logprob, scored.PromptLogprobs![5]!.Entries[0].Logprob);

        // Left at every stage: before the engine saw it, while it waits, while it runs, and with some of its outputs finished.
        for (int i = 0; i < 200; i++)
        {
            using GenerationHandle handle = engine.Submit(request with
            {
                Lora = $"a{i % 2}",
                Sampling = request.Sampling with { N = 1 + i % 3, Temperature = 1, Seed = i, MaxTokens = 1 + i % 7 },
            });
            for (int reads = i % 4; reads > 0 && await handle.ReadAsync() is not null; reads--)
            {
            }
        }

        for (int i = 0; i < 1000 && engine.Loras!.Active(true).Count + engine.Loras.Active(false).Count > 0; i++)
        {
            await Task.Delay(5);
        }

        Assert.Empty(engine.Loras!.Active(true));
        Assert.Empty(engine.Loras.Active(false));

        // Nothing is held for requests any more: what is unloaded leaves the memory.
        Assert.True(engine.Loras.Unload("a0"));
        Assert.True(engine.Loras.Unload("a1"));
        Assert.Equal(0, engine.Loras.Resident);
    }

    [Fact]
    public async Task Steady_decode_with_adapters_allocates_nothing_on_the_engine_thread()
    {
        await using InferenceEngine engine = await _tiny.StartAsync(options => options with { MaxLoras = 2, LoraModules = Modules(2), MaxNumSeqs = 16 });
        Task readers = Task.WhenAll(Enumerable.Range(0, 16).Select(i => engine.Submit(TinyLora.Request(i, i % 3 == 2 ? null : $"a{i % 3}", 8, 400))).ToArray()
            .Select(handle => Task.Run(() => handle.CompleteAsync())));
        var windows = new List<long>();
        long lastTokens = 0;
        long lastBytes = 0;
        while (!readers.IsCompleted)
        {
            long tokens = engine.Metrics.GenerationTokens.Value;
            if (tokens - lastTokens >= 16 * 20)
            {
                long bytes = engine.Metrics.EngineThreadAllocatedBytes;
                windows.Add(bytes - lastBytes);
                (lastTokens, lastBytes) = (tokens, bytes);
            }

            Thread.Sleep(1);
        }

        await readers;
        Assert.True(windows.Skip(2).Count(bytes => bytes == 0) * 2 >= windows.Count - 2, $"bytes per window: {string.Join(", ", windows)}");
    }

    [Fact]
    public async Task Names_that_are_not_there_or_cannot_be_are_refused()
    {
        await using InferenceEngine engine = await _tiny.StartAsync();
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<QuireException>(() => engine.Submit(TinyLora.Request(1, "a"))).Kind);
        string folder = _tiny.Adapter(1);
        foreach (string name in (string[])["", " ", "a\nb", new string('x', 300), engine.Model.ServedNames[0]])
        {
            Assert.Equal("lora_name", Assert.Throws<QuireException>(() => engine.Loras!.Load(new LoraRequest(name, folder))).Field);
        }

        engine.Loras!.Load(new LoraRequest("a", folder));
        Assert.Contains("has already been loaded", Assert.Throws<QuireException>(() => engine.Loras.Load(new LoraRequest("a", folder))).Message, StringComparison.Ordinal);
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<QuireException>(() => engine.Loras.Load(new LoraRequest("b", folder + "-no"))).Kind);
        Assert.True(engine.Loras.Unload("a"));
        Assert.False(engine.Loras.Unload("a"));
        await using InferenceEngine without = await _tiny.StartAsync(options => options with { EnableLora = false });
        Assert.Null(without.Loras);
        Assert.Contains("enable_lora", Assert.Throws<QuireException>(() => without.Submit(TinyLora.Request(1, "a"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a=b", "a", "b", null)]
    [InlineData("a=x=y", "a", "x=y", null)]
    [InlineData("""{"name": "a", "path": "b", "base_model_name": "c"}""", "a", "b", "c")]
    public void Modules_are_read_in_both_forms(string text, string name, string path, string? parent) => Assert.Equal(new LoraRequest(name, path, parent), LoraRequest.Parse(text));

    [Theory]
    [InlineData("a")]
    [InlineData("=b")]
    [InlineData("a=")]
    [InlineData("""{"name": "a"}""")]
    [InlineData("""{"name": "a", "path": 1}""")]
    [InlineData("""{"name": "a", "path": "b", "rank": 1}""")]
    [InlineData("""{"name": """)]
    public void Modules_of_another_form_are_refused(string text) => Assert.Equal("lora_modules", Assert.Throws<QuireException>(() => LoraRequest.Parse(text)).Field);

    [Fact]
    public async Task A_root_holds_what_may_be_loaded_whatever_links_say()
    {
        await using InferenceEngine engine = await _tiny.StartAsync();
        string root = Path.Combine(_tiny.Root, "allowed");
        string inside = _tiny.Adapter(1, Path.Combine("allowed", "inside"));
        string outside = _tiny.Adapter(2, "outside");
        Directory.CreateSymbolicLink(Path.Combine(root, "link"), outside);
        Directory.CreateSymbolicLink(Path.Combine(root, "to-inside"), inside);
        Directory.CreateDirectory(Path.Combine(root, "mixed"));
        File.Copy(Path.Combine(inside, LoraConfig.FileName), Path.Combine(root, "mixed", LoraConfig.FileName));
        File.CreateSymbolicLink(Path.Combine(root, "mixed", LoraAdapterReader.WeightsFileName), Path.Combine(outside, LoraAdapterReader.WeightsFileName));
        foreach (string path in (string[])[outside, "../outside", "inside/../../outside", "link", "mixed", root + "-x", "", "a\0b"])
        {
            QuireException refused = Assert.Throws<QuireException>(() => engine.Loras!.Load(new LoraRequest("a", path), root: root));
            Assert.Equal((ErrorKind.Request, "lora_path"), (refused.Kind, refused.Field));
        }

        foreach (string path in (string[])[inside, "inside", "./inside/", "to-inside"])
        {
            engine.Loras!.Load(new LoraRequest("a", path), inPlace: true, root);
        }

        Assert.NotEmpty(await TinyLora.TokensAsync(engine, TinyLora.Request(1, "a")));
    }

    /// <summary>name=path of the adapters a0, a1, …</summary>
    private string[] Modules(int count) => [.. Enumerable.Range(0, count).Select(i => $"a{i}={_tiny.Adapter(i, rank: 1 + i)}")];

    private static string? Name(string name) => name.Length == 0 ? null : name;

    /// <summary>What each adapter answers in an engine of its own.</summary>
    private async Task<Dictionary<(string, int), IReadOnlyList<int>>> AnswersAsync(string?[] names, int seeds)
    {
        var answers = new Dictionary<(string, int), IReadOnlyList<int>>();
        string[] modules = Modules(5);
        foreach (string? name in names)
        {
            await using InferenceEngine engine = await _tiny.StartAsync(options => options with
            {
                LoraModules = name is null ? null : [modules[name[1] - '0']],
                EnablePrefixCaching = false,
                MaxNumSeqs = 1,
            });
            for (int seed = 0; seed < seeds; seed++)
            {
                answers[(name ?? "", seed)] = await TinyLora.TokensAsync(engine, TinyLora.Request(seed, name));
            }
        }

        return answers;
    }
}
