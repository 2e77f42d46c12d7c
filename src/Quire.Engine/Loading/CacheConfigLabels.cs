using System.Collections.Generic;
using System.Globalization;
using Quire.Engine.Options;
using Quire.Tensors;

namespace Quire.Engine.Loading;

/// <summary>The labels of the metric <c>cache_config_info</c>: what planners and diagnosis tools read.</summary>
internal static class CacheConfigLabels
{
    public static IReadOnlyList<KeyValuePair<string, string>> Of(ResolvedOptions options, CachePlan cache) =>
    [
        new("block_size", Text(options.BlockSize)),
        new("cache_dtype", options.KvCacheDType),
        new("enable_prefix_caching", options.EnablePrefixCaching ? "True" : "False"),
        new("gpu_memory_utilization", options.GpuMemoryUtilization.ToString(CultureInfo.InvariantCulture)),
        new("kv_cache_dtype_resolved", cache.Shape.Type.DisplayName()),
        new("kv_cache_max_concurrency", cache.Plan.MaxConcurrency.ToString("0.##", CultureInfo.InvariantCulture)),
        new("kv_cache_memory_bytes", Text(cache.Plan.CacheBytes)),
        new("kv_cache_size_tokens", Text(cache.Plan.CacheTokens)),
        new("num_gpu_blocks", Text(cache.Plan.BlockCount)),
        new("num_gpu_blocks_override", options.NumGpuBlocksOverride is { } blocks ? Text(blocks) : "None"),
    ];

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
