using System;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Quire.Cpu;
using Quire.Engine.Options;

namespace Quire.Engine.Tests;

/// <summary>Engines for tests, on models that the repository holds.</summary>
internal static class TestModels
{
    public static string Root { get; } = typeof(TestModels).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static string Quill => Path.Combine(Root, "models", "quill");

    /// <summary>One of the adapters beside the model.</summary>
    public static string Adapter(string name) => Path.Combine(Root, "models", "quill-lora-" + name);

    public static string Data(string name) => Path.Combine(Root, "tests", "Quire.Engine.Tests", "Data", name);

    public static Task<InferenceEngine> StartQuillAsync(Func<EngineOptions, EngineOptions>? configure = null)
    {
        EngineOptions options = new() { Model = Quill, KvCacheMemoryBytes = 256 << 20, DisableLogStats = true };
        return InferenceEngine.StartAsync(configure?.Invoke(options) ?? options, new CpuBackend(new CpuOptions()), UsageContext.OfflineBatch);
    }
}
