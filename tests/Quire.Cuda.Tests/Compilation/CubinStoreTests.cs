using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;
using Quire.Cuda.Tests.Support;

namespace Quire.Cuda.Tests.Compilation;

public sealed class CubinStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeCompiler _compiler = new();

    [Fact]
    public void A_kernel_is_compiled_once_and_then_read()
    {
        byte[] first = Get(Store(), out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Equal(first, Get(Store(), out origin));
        Assert.Equal(CubinOrigin.Cache, origin);
        Assert.Equal(1, _compiler.Calls);
        Assert.StartsWith("kernel.sm_90a.", Path.GetFileName(Assert.Single(CacheFiles())));
    }

    [Fact]
    public void Another_source_header_option_architecture_or_compiler_is_compiled_anew()
    {
        Get(Store(), out _);
        Get(Store(source: "other"), out _);
        Assert.Equal(2, _compiler.Calls);
        Get(Store(header: "other"), out _);
        Assert.Equal(3, _compiler.Calls);
        Store().Get("kernel.cu", "sm_90a", ["HEAD_DIM=64"], fresh: false, out _);
        Assert.Equal(4, _compiler.Calls);
        Store().Get("kernel.cu", "sm_80", ["HEAD_DIM=128"], fresh: false, out _);
        Assert.Equal(5, _compiler.Calls);
        _compiler.Version = "Fake 2.0";
        Get(Store(), out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Equal(6, _compiler.Calls);
    }

    [Fact]
    public void A_damaged_file_is_compiled_anew_and_replaced()
    {
        byte[] code = Get(Store(), out _);
        string file = Assert.Single(CacheFiles());
        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole.AsSpan(0, whole.Length / 2));
        Assert.Equal(code, Get(Store(), out CubinOrigin origin));
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Equal(whole, File.ReadAllBytes(file));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(file)!));
    }

    [Fact]
    public void Without_a_compiler_cached_and_shipped_kernels_still_run()
    {
        byte[] code = Get(Store(), out _);
        _compiler.Version = null;
        Assert.Equal(code, Get(Store(), out CubinOrigin origin));
        Assert.Equal(CubinOrigin.Cache, origin);

        var options = new KernelCacheOptions { PrecompiledFolder = _folder.Combine("cache") };
        Assert.Equal(code, Get(new CubinStore(Sources("text", "header"), _compiler, options), out origin));
        Assert.Equal(CubinOrigin.Precompiled, origin);
        Assert.Throws<CudaUnavailableException>(() => Get(new CubinStore(Sources("changed", "header"), _compiler, options), out _));
    }

    [Fact]
    public void What_was_shipped_comes_before_the_cache_and_is_left_alone()
    {
        Get(Store(), out _);
        Directory.Move(_folder.Combine("cache"), _folder.Combine("shipped"));
        _compiler.Version = "Fake 2.0";
        byte[] shipped = Get(Store(shipped: "shipped"), out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Precompiled, origin);
        Assert.StartsWith("Fake 1.0", Encoding.UTF8.GetString(shipped));
        Assert.False(Directory.Exists(_folder.Combine("cache")));
    }

    [Fact]
    public void A_kernel_that_the_driver_refused_is_compiled_although_it_is_there()
    {
        Get(Store(), out _);
        Store().Get("kernel.cu", "sm_90a", ["HEAD_DIM=128"], fresh: true, out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Equal(2, _compiler.Calls);
    }

    [Fact]
    public void Without_a_folder_nothing_is_written()
    {
        var store = new CubinStore(Sources("text", "header"), _compiler, new KernelCacheOptions());
        Get(store, out _);
        Get(store, out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_time_and_is_reported()
    {
        _folder.File("cache", "a file where the folder should be");
        var messages = new List<string>();
        var options = new KernelCacheOptions { Folder = _folder.Combine("cache"), Log = messages.Add };
        Get(new CubinStore(Sources("text", "header"), _compiler, options), out CubinOrigin origin);
        Assert.Equal(CubinOrigin.Compiler, origin);
        Assert.Contains(messages, message => message.StartsWith("compiled kernel.cu for sm_90a", StringComparison.Ordinal));
        Assert.Contains(messages, message => message.Contains("could not be written", StringComparison.Ordinal));
    }

    [Fact]
    public void The_folder_stays_within_its_bound_and_keeps_what_was_used_last()
    {
        var sources = Sources("text", "header");
        var options = new KernelCacheOptions { Folder = _folder.Combine("cache"), MaxBytes = 1000 };
        var store = new CubinStore(sources, _compiler, options);
        for (int i = 0; i < 20; i++)
        {
            store.Get("kernel.cu", "sm_90a", [$"N={i}"], fresh: false, out _);
            foreach (string file in CacheFiles())
            {
                File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddMinutes(-1));
            }

            store.Get("kernel.cu", "sm_90a", ["N=0"], fresh: false, out _);
        }

        Assert.InRange(CacheFiles().Sum(file => new FileInfo(file).Length), 1, 1000);
        int calls = _compiler.Calls;
        store.Get("kernel.cu", "sm_90a", ["N=0"], fresh: false, out _);
        Assert.Equal(calls, _compiler.Calls);
    }

    [Fact]
    public void A_source_that_does_not_exist_is_named()
    {
        var error = Assert.Throws<ArgumentException>(() => Store().Get("missing.cu", "sm_90a", [], fresh: false, out _));
        Assert.Contains("missing.cu", error.Message);
        Assert.Contains("kernel.cu", error.Message);
    }

    [Fact]
    public void The_compiler_gets_the_architecture_and_the_macros()
    {
        List<string> options = CubinStore.Options("sm_90a", ["A", "B=2"]);
        Assert.Contains("--gpu-architecture=sm_90a", options);
        Assert.Contains("--std=c++17", options);
        Assert.Equal(["--define-macro=A", "--define-macro=B=2"], options.TakeLast(2));
        Assert.DoesNotContain(options, option => option.Contains("fast", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(8, 0, "sm_80")]
    [InlineData(8, 9, "sm_89")]
    [InlineData(9, 0, "sm_90a")]
    [InlineData(10, 0, "sm_100a")]
    [InlineData(12, 0, "sm_120a")]
    public void Code_is_made_for_exactly_the_card_at_hand(int major, int minor, string architecture) =>
        Assert.Equal(architecture, KernelCompiler.ArchitectureOf(major, minor));

    public void Dispose() => _folder.Dispose();

    private static KernelSources Sources(string source, string header) =>
        new(new Dictionary<string, string> { ["kernel.cu"] = source, ["common.cuh"] = header });

    private static byte[] Get(CubinStore store, out CubinOrigin origin) => store.Get("kernel.cu", "sm_90a", ["HEAD_DIM=128"], fresh: false, out origin);

    private CubinStore Store(string source = "text", string header = "header", string? shipped = null) => new(
        Sources(source, header),
        _compiler,
        new KernelCacheOptions { Folder = _folder.Combine("cache"), PrecompiledFolder = shipped is null ? null : _folder.Combine(shipped) });

    private string[] CacheFiles() => Directory.GetFiles(_folder.Combine("cache"));
}
