using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Cpu;
using Quire.Engine.Intake;
using Quire.Engine.Loading;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Models;
using Quire.Models.Config;

namespace Quire.Engine.Tests;

/// <summary>
/// Tiny models whose layers slide in part (window 16) in caches that hold a request of 200 tokens only because blocks leave the window: the same tokens
/// as with one block table and room for everything.
/// </summary>
public class HybridCacheTests
{
    private const int BlockSize = 4;
    private const int MaxModelLen = 200;

    public static TheoryData<string, int, int> Models => new()
    {
        // The cache in layers · blocks of a longest request: full attention 50 blocks, a window of 16 and steps of 8 tokens 7.
        { "gemma2", 2, 2 * (50 + 7) },
        { "gemma3", 3, 2 * (50 + 7 + 7) },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public async Task In_a_cache_where_only_freed_blocks_let_them_fit_requests_get_the_same_tokens(string model, int groups, int layerBlocks)
    {
        string folder = Folder(model);
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        EngineOptions roomy = Options(folder) with { DisableHybridKvCacheManager = true, KvCacheMemoryBytes = 16 << 20 };
        IReadOnlyList<int>[] expected;
        await using (InferenceEngine engine = await StartAsync(roomy))
        {
            Assert.Equal(1, engine.MemoryPlan.Budget.Groups.Count);
            expected = await Task.WhenAll(Requests().Select(request => Generate(engine, request)));
        }

        foreach (bool caching in new[] { true, false })
        {
            EngineOptions tight = Options(folder) with { EnablePrefixCaching = caching, KvCacheMemoryBytes = (layerBlocks + 2) * LayerBlockBytes };
            QuireException refusal = await Assert.ThrowsAsync<QuireException>(() => StartAsync(tight with { DisableHybridKvCacheManager = true }));
            Assert.Equal(ErrorCodes.NotEnoughMemory, refusal.Code);
            await using InferenceEngine engine = await StartAsync(tight);
            Assert.Equal(groups, engine.MemoryPlan.Budget.Groups.Count);
            Assert.Equal((layerBlocks / 2) + 1, engine.MemoryPlan.BlockCount);
            var alone = new List<IReadOnlyList<int>>();
            foreach (GenerationRequest request in Requests())
                alone.Add(await Generate(engine, request));
            Assert.Equal(expected, alone);
            Assert.Equal(expected, await Task.WhenAll(Requests().Select(request => Generate(engine, request))));
            Assert.Equal(expected, await Task.WhenAll(Requests().Select(request => Generate(engine, request))));
        }
    }

    /// <summary>As on a GPU: a step is planned and launched before the one before has ended, and steps of single tokens have rows of padding.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public async Task Steps_that_run_ahead_and_are_recorded_give_the_same_tokens(string model, int groups, int layerBlocks)
    {
        string folder = Folder(model);
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        IReadOnlyList<int>[] expected;
        await using (InferenceEngine engine = await StartAsync(Options(folder) with { DisableHybridKvCacheManager = true, KvCacheMemoryBytes = 16 << 20 }))
            expected = await Task.WhenAll(Requests().Select(request => Generate(engine, request)));
        var backend = new DeviceSamplingBackend();
        await using InferenceEngine ahead = await InferenceEngine.StartAsync(
            Options(folder) with { KvCacheMemoryBytes = (layerBlocks + 2) * LayerBlockBytes }, backend, UsageContext.OfflineBatch);
        Assert.Equal(groups, ahead.MemoryPlan.Budget.Groups.Count);
        Assert.Equal(expected, await Task.WhenAll(Requests().Select(request => Generate(ahead, request))));
        Assert.True(backend.Recordings > 50 && backend.ResolvedTokens > 50, $"{backend.Recordings} recordings, {backend.ResolvedTokens} tokens taken on the device");
    }

    [Theory]
    [InlineData("bfloat16")]
    [InlineData("fp8")]
    [InlineData("int8")]
    public async Task Every_type_of_the_cache_has_groups(string type)
    {
        string folder = Folder("gemma3");
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        EngineOptions options = Options(folder) with { KvCacheDType = type, KvCacheMemoryBytes = 1 << 18 };
        await using InferenceEngine one = await StartAsync(options with { DisableHybridKvCacheManager = true, KvCacheMemoryBytes = 1 << 20 });
        await using InferenceEngine grouped = await StartAsync(options);
        Assert.Equal(3, grouped.MemoryPlan.Budget.Groups.Count);
        Assert.Equal(
            await Task.WhenAll(Requests().Select(request => Generate(one, request))), await Task.WhenAll(Requests().Select(request => Generate(grouped, request))));
    }

    [Fact]
    public async Task With_room_for_prefixes_a_repeated_prompt_starts_behind_them()
    {
        string folder = Folder("gemma3");
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        await using InferenceEngine engine = await StartAsync(Options(folder) with { KvCacheMemoryBytes = 1 << 20 });
        GenerationRequest request = Requests()[0];
        RequestOutput first = await engine.Submit(request).CompleteAsync();
        RequestOutput second = await engine.Submit(request).CompleteAsync();
        Assert.Equal(0, first.Metrics!.CachedTokens);
        Assert.Equal((request.Prompt.TokenIds!.Length - 1) / BlockSize * BlockSize, second.Metrics!.CachedTokens);
        Assert.Equal(first.Outputs[0].TokenIds, second.Outputs[0].TokenIds);
    }

    [Theory]
    [InlineData(34, 6, 1024, 131_072, 5, 7)] // Gemma 3 4B: 5 full layers, 29 sliding ones
    [InlineData(62, 6, 1024, 131_072, 13, 5)] // Gemma 3 27B: 10 and 52
    [InlineData(48, 6, 1024, 131_072, 8, 6)] // Gemma 3 12B: 8 and 40
    [InlineData(42, 2, 4096, 8192, 21, 2)] // Gemma 2 9B
    [InlineData(42, 2, 4096, 4096, 42, 1)] // nothing outgrows the window
    public void Published_models_fall_into_groups(int layers, int period, int window, int maxModelLen, int layersPerGroup, int groups)
    {
        int[] windows = [.. Enumerable.Range(1, layers).Select(layer => layer % period == 0 || window >= maxModelLen ? 0 : window)];
        KvCacheLayout layout = KvCacheLayout.Grouped(windows) ?? KvCacheLayout.OneGroup(layers, null);
        Assert.Equal(layersPerGroup, layout.LayersPerGroup);
        Assert.Equal(groups, layout.Windows.Count);

        // No two layers share a place and a group, and all layers of a group have its window.
        Assert.Equal(layers, Enumerable.Range(0, layers).Select(i => (layout.GroupOf[i], layout.PlaceOf[i])).Distinct().Count());
        Assert.All(layout.PlaceOf, place => Assert.InRange(place, 0, layersPerGroup - 1));
        Assert.All(Enumerable.Range(0, layers), i => Assert.Equal(windows[i], layout.Windows[layout.GroupOf[i]] ?? 0));
    }

    [Theory]
    [InlineData(28, 27, 4096, 8192, 1)] // One sliding layer of 28: its group would need as much room as 4 layers.
    [InlineData(28, 21, 4096, 32_768, 4)]
    [InlineData(28, 21, 32_768, 32_768, 1)]
    public void Groups_are_made_only_where_they_save_memory(int layers, int full, int window, int maxModelLen, int groups)
    {
        string folder = Folder("gemma3");
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        LayerSpec any = ModelMemory.From(HfConfig.Load(folder)).Spec.Layers[0];
        LayerSpec[] specs = [.. Enumerable.Range(0, layers).Select(i => any with { SlidingWindow = i < full ? 0 : window })];
        KvCacheLayout layout = CachePlan.LayoutOf(specs, Resolved(maxModelLen));
        Assert.Equal(groups, layout.Windows.Count);
        Assert.Single(CachePlan.LayoutOf(specs, Resolved(maxModelLen) with { DisableHybridKvCacheManager = true }).Windows);
    }

    /// <summary>Bytes of one block in one layer: keys and values, 2 heads of 16 float32 numbers a token.</summary>
    private static long LayerBlockBytes => 2 * BlockSize * 2 * 16 * sizeof(float);

    private static ResolvedOptions Resolved(int maxModelLen) => new()
    {
        Asked = new EngineOptions(),
        Model = "",
        Tokenizer = "",
        ServedModelNames = [""],
        MaxModelLen = maxModelLen,
        MaxNumSeqs = 1,
        MaxNumBatchedTokens = 2048,
        MaxNumScheduledTokens = 2048,
        DType = "float32",
        Explanations = [],
    };

    private static string Folder(string model) => Path.Combine(TestModels.Root, "..", "shared", "goldens", "architectures", model);

    private static EngineOptions Options(string folder) => new()
    {
        Model = folder,
        SkipTokenizerInit = true,
        BlockSize = BlockSize,
        MaxModelLen = MaxModelLen,
        MaxNumBatchedTokens = 8,
        MaxNumSeqs = 4,
        DisableLogStats = true,
    };

    private static Task<InferenceEngine> StartAsync(EngineOptions options) =>
        InferenceEngine.StartAsync(options, new CpuBackend(new CpuOptions { Threads = 2 }), UsageContext.OfflineBatch);

    /// <summary>Beyond eight windows, far beyond one, and within; the beginnings are shared.</summary>
    private static GenerationRequest[] Requests() =>
    [
        Request(60, 138, 60), Request(61, 40, 30), Request(20, 30, 20), Request(150, 45, 60), Request(7, 9, 7),
    ];

    private static GenerationRequest Request(int prompt, int output, int shared) => new()
    {
        Prompt = Prompt.FromTokens([.. Enumerable.Range(0, prompt).Select(i => 3 + (i < shared ? i * 37 : i * 53 + prompt) % 900)]),
        Sampling = new SamplingParams { Temperature = 0, MaxTokens = output, IgnoreEos = true, Detokenize = false },
    };

    private static async Task<IReadOnlyList<int>> Generate(InferenceEngine engine, GenerationRequest request) =>
        (await engine.Submit(request).CompleteAsync()).Outputs[0].TokenIds;
}
