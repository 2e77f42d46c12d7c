using System;
using Quire.Cuda.Blas;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>
/// The operations on the GPU. A product and a norm are not launched when they are called but kept for a moment, because the next operation
/// often joins them: a product takes up the activation or the residual sum behind it, and for few rows also the norm before it (see
/// CudaOps.Products.cs). Every operation says what it reads and writes, so that what is kept is launched before anybody could miss it.
/// </summary>
internal sealed partial class CudaOps : ITensorOps, IDeviceSampler, IDisposable
{
    private const int Threads = 256;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly DeviceArena _arena;
    private readonly KernelSet _kernels;
    private readonly MatmulPlanner _planner;
    private readonly bool _overlap;
    private bool _lastIsLight;
    private readonly bool _fuse;
    private readonly int _fewRows;
    private readonly DType _elementType;
    private readonly TokenReader _tokens;

    public CudaOps(CudaDevice device, CudaStream stream, DeviceArena arena, KernelSet kernels, MatmulPlanner planner, CudaOptions options)
    {
        _device = device;
        _stream = stream;
        _arena = arena;
        _kernels = kernels;
        _planner = planner;
        _overlap = options.OverlapKernels && device.ComputeMajor >= 9;
        _fuse = options.FuseOperations;
        _fewRows = Math.Clamp(options.FewRows, 0, 32);
        _elementType = options.ActivationType;

        // cuBLASLt 13 has these kernels for Hopper only.
        _scaledProducts = device.ComputeMajor == 9;
        _tokens = new TokenReader(device, stream);
    }

    /// <summary>Changes whenever logits (F32 outputs of a product) may have changed.</summary>
    public long LogitsVersion { get; private set; }

    /// <summary>Operations were replayed that are not seen here.</summary>
    public void NoteReplay() => LogitsVersion++;

    public void Embed(Tensor tokenIds, Tensor table, float scale, Tensor y)
    {
        Reads(table);
        Writes(y);
        var arguments = new EmbedArguments
        {
            Ids = tokenIds.Data,
            Table = table.Data,
            Y = y.Data,
            Columns = y.Columns,
            TableStride = table.Stride,
            YStride = y.Stride,
            TableRows = table.Rows,
            Scale = scale,
        };
        Launch(_kernels.Elementwise("embed"), y.Rows, ThreadsFor(y.Columns), arguments);
    }

    public void GatherRows(Tensor x, Tensor rows, Tensor y) => Embed(rows, x, 1, y);

    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor y)
    {
        Reads(x);
        Writes(y);
        LaunchNorm("layer_norm", x, default, weight, bias, epsilon, 0, y);
    }

    public void Add(Tensor x, float scale, Tensor y)
    {
        Reads(x);
        Reads(y);
        Writes(y);
        LaunchMap("add", x, y, 0, scale);
    }

    public void Activate(Activation activation, Tensor x)
    {
        Reads(x);
        Writes(x);
        LaunchMap("activate_in_place", x, x, (int)activation, 1);
    }

    public void Scale(Tensor x, float scale)
    {
        Reads(x);
        Writes(x);
        if (x.Type == DType.F32)
        {
            ShapeLogits(x, 0, scale);
        }
        else
        {
            LaunchMap("scale_in_place", x, x, 0, scale);
        }
    }

    public void SoftCap(Tensor x, float cap)
    {
        Reads(x);
        Writes(x);
        ShapeLogits(x, cap, 1);
    }

    /// <summary>Converts elements of another type; source and target are device memory.</summary>
    public void Convert(nint source, DType from, nint target, DType to, long count)
    {
        var arguments = new ConvertArguments { X = source, Y = target, Count = count, From = (int)from, To = (int)to };
        long blocks = Math.Min((count + Threads - 1) / Threads, 64L * _device.MultiprocessorCount);
        _kernels.Elementwise("convert").Launch(_stream, new LaunchConfig((int)Math.Max(blocks, 1), Threads), arguments);
    }

    public int StartRead(Tensor tokens) => _tokens.Start(tokens);

    public ReadOnlySpan<int> FinishRead(int read) => _tokens.Finish(read);

    public void Dispose() => _tokens.Dispose();

    private void ShapeLogits(Tensor x, float cap, float scale, nint bias = 0)
    {
        var arguments = new LogitArguments { X = x.Data, Bias = bias, Columns = x.Columns, Stride = x.Stride, Cap = cap, Scale = scale };
        var config = new LaunchConfig(x.Rows, Threads) { GridY = Math.Clamp(x.Columns / (4 * Threads), 1, 64) };
        Launch(_kernels.Elementwise("shape_logits"), config, arguments);
        LogitsVersion++;
    }

    private void LaunchMap(string kernel, Tensor x, Tensor y, int activation, float scale)
    {
        var arguments = new MapArguments
        {
            X = x.Data,
            Y = y.Data,
            Columns = y.Columns,
            XStride = x.Stride,
            YStride = y.Stride,
            Activation = activation,
            Scale = scale,
        };
        int threads = ThreadsFor(y.Columns);
        var config = new LaunchConfig(y.Rows, threads) { GridY = Math.Clamp(y.Columns / (8 * threads), 1, 16) };
        Launch(_kernels.Elementwise(kernel), config, arguments);
    }

    private void LaunchNorm(string kernel, Tensor x, Tensor residual, Tensor weight, Tensor bias, float epsilon, float weightOffset, Tensor y)
    {
        var arguments = new NormArguments
        {
            X = x.Data,
            Residual = residual.Data,
            Weight = weight.Data,
            Bias = bias.Data,
            Y = y.Data,
            Columns = weight.Columns,
            Groups = x.Columns / weight.Columns,
            XStride = x.Stride,
            ResidualStride = residual.Stride,
            YStride = y.Stride,
            Epsilon = epsilon,
            WeightOffset = weightOffset,
        };
        Launch(_kernels.Elementwise(kernel), checked(x.Rows * arguments.Groups), ThreadsFor(weight.Columns), arguments);
    }

    private void Launch<T>(CudaKernel kernel, int blocks, int threads, in T arguments)
        where T : unmanaged =>
        Launch(kernel, new LaunchConfig(blocks, threads), arguments);

    /// <summary>
    /// Launches a kernel that needs little shared memory. It starts early only behind another such one: kernels for which a multiprocessor
    /// divides its memory differently cannot share it, and one that comes early then makes both wait.
    /// </summary>
    private void Launch<T>(CudaKernel kernel, LaunchConfig config, in T arguments)
        where T : unmanaged
    {
        config.Overlap = _overlap && _lastIsLight;
        _lastIsLight = true;
        kernel.Launch(_stream, config, arguments);
    }

    /// <summary>Launches a kernel that fills the multiprocessors' shared memory.</summary>
    private void LaunchHeavy<T>(CudaKernel kernel, in LaunchConfig config, in T arguments)
        where T : unmanaged
    {
        _lastIsLight = false;
        kernel.Launch(_stream, config, arguments);
    }

    /// <summary>Enough threads for a row at eight elements each, in whole warps.</summary>
    private static int ThreadsFor(int columns) => Math.Clamp((columns + 255) / 256 * 32, 32, 512);
}
