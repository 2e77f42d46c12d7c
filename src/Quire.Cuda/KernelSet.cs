using System;
using System.Collections.Generic;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>The kernels of one element type, each compiled when it is first asked for.</summary>
internal sealed class KernelSet(KernelCompiler compiler, DType elementType) : IDisposable
{
    private readonly List<KernelModule> _modules = [];
    private readonly Dictionary<int, CudaKernel> _variants = [];
    private readonly Dictionary<string, CudaKernel> _plain = [];
    private KernelModule? _elementwise;
    private KernelModule? _sampling;
    private KernelModule? _experts;

    /// <summary>A kernel of elementwise.cu. The name is a constant of the caller.</summary>
    public CudaKernel Elementwise(string name)
    {
        if (!_plain.TryGetValue(name, out CudaKernel? kernel))
        {
            _elementwise ??= Compile("elementwise.cu");
            kernel = _elementwise.Get(name);
            _plain.Add(name, kernel);
        }

        return kernel;
    }

    /// <summary>A kernel of sampling.cu. The name is a constant of the caller.</summary>
    public CudaKernel Sampling(string name)
    {
        if (!_plain.TryGetValue(name, out CudaKernel? kernel))
        {
            _sampling ??= Compile("sampling.cu");
            kernel = _sampling.Get(name);
            _plain.Add(name, kernel);
        }

        return kernel;
    }

    /// <summary>A kernel of experts.cu. The name is a constant of the caller.</summary>
    public CudaKernel Experts(string name)
    {
        if (!_plain.TryGetValue(name, out CudaKernel? kernel))
        {
            _experts ??= Compile("experts.cu");
            kernel = _experts.Get(name);
            _plain.Add(name, kernel);
        }

        return kernel;
    }

    public CudaKernel Lora
    {
        get
        {
            if (!_plain.TryGetValue("add_lora", out CudaKernel? kernel))
            {
                kernel = Compile("lora.cu").Get("add_lora");
                _plain.Add("add_lora", kernel);
            }

            return kernel;
        }
    }

    public CudaKernel GenericAttention
    {
        get
        {
            if (!_plain.TryGetValue("attention_generic", out CudaKernel? kernel))
            {
                kernel = Compile("attention_generic.cu").Get("attention_generic");
                _plain.Add("attention_generic", kernel);
            }

            return kernel;
        }
    }

    public CudaKernel Decode(int headDim, int columns)
    {
        int key = 0x1000000 | headDim << 8 | columns;
        if (!_variants.TryGetValue(key, out CudaKernel? kernel))
        {
            kernel = Compile("attention_decode.cu", $"QUIRE_HEAD_DIM={headDim}", $"QUIRE_COLUMNS={columns}").Get("attention_decode");
            kernel.AllowSharedMemory(DecodeAttention.SharedBytes(headDim, columns));
            _variants.Add(key, kernel);
        }

        return kernel;
    }

    public CudaKernel Prefill(int headDim)
    {
        int key = 0x2000000 | headDim;
        if (!_variants.TryGetValue(key, out CudaKernel? kernel))
        {
            kernel = Compile("attention_prefill.cu", $"QUIRE_HEAD_DIM={headDim}").Get("attention_prefill");
            kernel.AllowSharedMemory(PrefillAttention.SharedBytes(headDim));
            _variants.Add(key, kernel);
        }

        return kernel;
    }

    public CudaKernel HopperPrefill(int headDim)
    {
        int key = 0x4000000 | headDim;
        if (!_variants.TryGetValue(key, out CudaKernel? kernel))
        {
            kernel = Compile("attention_prefill_hopper.cu", $"QUIRE_HEAD_DIM={headDim}").Get("attention_prefill_hopper");
            kernel.AllowSharedMemory(HopperPrefillAttention.SharedBytes(headDim));
            _variants.Add(key, kernel);
        }

        return kernel;
    }

    /// <param name="tiles">Rows of x in units of eight: 1, 2 or 4.</param>
    /// <param name="rowTiles">Rows of W a block in units of sixteen: 1 or 2.</param>
    public CudaKernel Skinny(int tiles, int rowTiles)
    {
        int key = 0x3000000 | tiles << 8 | rowTiles;
        if (!_variants.TryGetValue(key, out CudaKernel? kernel))
        {
            kernel = Compile("skinny_gemm.cu", $"QUIRE_TILES={tiles}", $"QUIRE_ROW_TILES={rowTiles}").Get("skinny_gemm");
            _variants.Add(key, kernel);
        }

        return kernel;
    }

    public void Dispose()
    {
        foreach (KernelModule module in _modules)
        {
            module.Dispose();
        }

        _modules.Clear();
    }

    private KernelModule Compile(string source, params ReadOnlySpan<string> defines)
    {
        string[] all = elementType == DType.F16 ? [.. defines, "QUIRE_F16"] : defines.ToArray();
        KernelModule module = compiler.Compile(source, all);
        _modules.Add(module);
        return module;
    }
}
