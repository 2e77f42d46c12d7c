using System;
using System.Collections.Generic;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>The kernels of one element type, each compiled when it is first asked for.</summary>
internal sealed class KernelSet(KernelCompiler compiler, DType elementType) : IDisposable
{
    private readonly Dictionary<string, KernelModule> _modules = [];
    private readonly Dictionary<string, CudaKernel> _plain = [];
    private readonly Dictionary<(string Name, int First, int Second, int Warps, CacheCodes Codes), CudaKernel> _variants = [];
    private readonly Dictionary<(PackedFormat Format, int Fold, int Tiles, int RowTiles, int Chunks, int Blocks), CudaKernel> _packed = [];
    private readonly Dictionary<PackedFormat, CudaKernel> _expanders = [];

    public CudaKernel Lora => Plain("lora.cu", "add_lora");

    /// <summary>A kernel of elementwise.cu. The name is a constant of the caller.</summary>
    public CudaKernel Elementwise(string name) => Plain("elementwise.cu", name);

    /// <summary>A kernel of sampling.cu. The name is a constant of the caller.</summary>
    public CudaKernel Sampling(string name) => Plain("sampling.cu", name);

    /// <summary>A kernel of experts.cu. The name is a constant of the caller.</summary>
    public CudaKernel Experts(string name) => Plain("experts.cu", name);

    public CudaKernel GenericAttention(CacheCodes codes) => Variant("attention_generic", "QUIRE_HEAD_DIM", 0, null, 0, codes, 0);

    /// <summary>Rotates, and writes to a quantised cache.</summary>
    public CudaKernel StoreCodes(CacheCodes codes) => Variant("cache_store", "QUIRE_HEAD_DIM", 0, null, 0, codes, 0, "store_codes");

    public CudaKernel Decode(int headDim, int columns, int warps, CacheCodes codes) => Variant(
        "attention_decode", "QUIRE_HEAD_DIM", headDim, "QUIRE_COLUMNS", columns, codes, DecodeAttention.SharedBytes(headDim, columns, warps, codes), warps: warps);

    public CudaKernel Prefill(int headDim, CacheCodes codes) =>
        Variant("attention_prefill", "QUIRE_HEAD_DIM", headDim, null, 0, codes, PrefillAttention.SharedBytes(headDim, codes));

    public CudaKernel HopperPrefill(int headDim, bool softCap) => Variant(
        "attention_prefill_hopper", "QUIRE_HEAD_DIM", headDim, "QUIRE_SOFT_CAP", softCap ? 1 : 0, CacheCodes.None, HopperPrefillAttention.SharedBytes(headDim));

    public CudaKernel GatedGemm(Activation activation) =>
        Variant("gated_gemm_hopper", "QUIRE_ACTIVATION", (int)activation, null, 0, CacheCodes.None, Cuda.GatedGemm.SharedBytes);

    /// <param name="tiles">Rows of x in units of eight: 1, 2 or 4.</param>
    /// <param name="rowTiles">Rows of W a block in units of sixteen: 1 or 2.</param>
    public CudaKernel Skinny(int tiles, int rowTiles) =>
        Variant("skinny_gemm", "QUIRE_TILES", tiles, "QUIRE_ROW_TILES", rowTiles, CacheCodes.None, 0);

    /// <param name="format">How the weights are packed.</param>
    /// <param name="fold">Columns that share a scale, or the largest divisor of them that a chunk has.</param>
    /// <param name="tiles">As for <see cref="Skinny"/>.</param>
    /// <param name="rowTiles">As for <see cref="Skinny"/>.</param>
    /// <param name="chunks">What a warp loads before it computes.</param>
    /// <param name="blocks">Blocks of a multiprocessor, which bounds the registers.</param>
    public CudaKernel SkinnyPacked(PackedFormat format, int fold, int tiles, int rowTiles, int chunks, int blocks)
    {
        var key = (format, fold, tiles, rowTiles, chunks, blocks);
        if (!_packed.TryGetValue(key, out CudaKernel? kernel))
        {
            string[] defines =
            [
                $"QUIRE_TILES={tiles}", $"QUIRE_ROW_TILES={rowTiles}", .. Defines(format), $"QUIRE_FOLD={fold}",
                $"QUIRE_CHUNKS={chunks}", $"QUIRE_BLOCKS={blocks}",
            ];
            kernel = Module("skinny_packed.cu", defines).Get("skinny_packed");
            _packed.Add(key, kernel);
        }

        return kernel;
    }

    /// <summary>A kernel of quantize.cu that rounds activations. The name is a constant of the caller.</summary>
    public CudaKernel Quantize(string name) => Plain("quantize.cu", name);

    /// <summary>Expands packed weights to the element type.</summary>
    public CudaKernel ExpandPacked(PackedFormat format)
    {
        if (!_expanders.TryGetValue(format, out CudaKernel? kernel))
        {
            kernel = Module("quantize.cu", Defines(format)).Get("expand_packed");
            _expanders.Add(format, kernel);
        }

        return kernel;
    }

    public void Dispose()
    {
        foreach (KernelModule module in _modules.Values)
        {
            module.Dispose();
        }

        _modules.Clear();
    }

    private static string[] Defines(PackedFormat format) => [$"QUIRE_FORMAT={(int)format}"];

    /// <summary>A kernel of a source that is compiled once.</summary>
    private CudaKernel Plain(string source, string name)
    {
        if (!_plain.TryGetValue(name, out CudaKernel? kernel))
        {
            kernel = Module(source).Get(name);
            _plain.Add(name, kernel);
        }

        return kernel;
    }

    /// <summary>The kernel of a source, compiled for one or two sizes (0: none), a number of warps and a kind of cache.</summary>
    private CudaKernel Variant(
        string name, string firstMacro, int first, string? secondMacro, int second, CacheCodes codes, int sharedBytes, string? function = null, int warps = 0)
    {
        if (_variants.TryGetValue((name, first, second, warps, codes), out CudaKernel? kernel))
        {
            return kernel;
        }

        var defines = new List<string>();
        if (first > 0)
        {
            defines.Add($"{firstMacro}={first}");
        }

        if (secondMacro is not null)
        {
            defines.Add($"{secondMacro}={second}");
        }

        if (warps > 0)
        {
            defines.Add($"QUIRE_WARPS={warps}");
        }

        if (codes != CacheCodes.None)
        {
            defines.Add($"QUIRE_CODES={(int)codes}");
        }

        kernel = Module(name + ".cu", [.. defines]).Get(function ?? name);
        if (sharedBytes > 0)
        {
            kernel.AllowSharedMemory(sharedBytes);
        }

        _variants.Add((name, first, second, warps, codes), kernel);
        return kernel;
    }

    private KernelModule Module(string source, params string[] defines)
    {
        string key = string.Join(' ', [source, .. defines]);
        if (!_modules.TryGetValue(key, out KernelModule? module))
        {
            module = compiler.Compile(source, elementType == DType.F16 ? [.. defines, "QUIRE_F16"] : defines);
            _modules.Add(key, module);
        }

        return module;
    }
}
