using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>How a kernel is spread over the device.</summary>
internal struct LaunchConfig
{
    public LaunchConfig(int gridX, int blockX)
    {
        GridX = gridX;
        GridY = 1;
        GridZ = 1;
        BlockX = blockX;
    }

    /// <summary>Blocks; 0 in Y and Z counts as 1.</summary>
    public int GridX { get; set; }

    public int GridY { get; set; }

    public int GridZ { get; set; }

    /// <summary>Threads of a block.</summary>
    public int BlockX { get; set; }

    /// <summary>Bytes of dynamic shared memory of a block; more than 48 KiB need <see cref="CudaKernel.AllowSharedMemory"/> before.</summary>
    public int SharedBytes { get; set; }

    /// <summary>Blocks of a thread block cluster in X, or 0 for no clusters (compute capability 9.0 and later).</summary>
    public int ClusterX { get; set; }

    /// <summary>
    /// The kernel may start while the one before it still runs, and waits itself (<c>griddepcontrol.wait</c>) before it reads what that
    /// one writes: programmatic dependent launch (CUDA C++ programming guide). Before Hopper it starts when the one before it has ended.
    /// </summary>
    public bool Overlap { get; set; }
}

/// <summary>A kernel of a <see cref="KernelModule"/>. Every kernel takes exactly one parameter: a structure, by value.</summary>
internal sealed unsafe class CudaKernel
{
    private readonly KernelModule _module;
    private readonly nint _function;

    internal CudaKernel(KernelModule module, string name, nint function)
    {
        _module = module;
        _function = function;
        Name = name;
        Registers = Attribute(FunctionAttribute.NumRegs);
        LocalBytes = Attribute(FunctionAttribute.LocalSizeBytes);
        StaticSharedBytes = Attribute(FunctionAttribute.SharedSizeBytes);
        MaxThreads = Attribute(FunctionAttribute.MaxThreadsPerBlock);
        ArgumentBytes = ReadArgumentBytes();
    }

    public string Name { get; }

    /// <summary>Registers of a thread.</summary>
    public int Registers { get; }

    /// <summary>Bytes of local memory of a thread; more than 0 often means that registers were spilled.</summary>
    public int LocalBytes { get; }

    /// <summary>Bytes of shared memory that the kernel declares itself.</summary>
    public int StaticSharedBytes { get; }

    /// <summary>Most threads that a block may have.</summary>
    public int MaxThreads { get; }

    /// <summary>Bytes of the kernel's parameter, or null where the driver cannot tell (before CUDA 12.4).</summary>
    public int? ArgumentBytes { get; }

    /// <summary>Lets launches ask for that many bytes of dynamic shared memory.</summary>
    /// <exception cref="CudaException">More than the card has for a block.</exception>
    public void AllowSharedMemory(int bytes) =>
        CudaDriver.FuncSetAttribute(_function, FunctionAttribute.MaxDynamicSharedSizeBytes, bytes).Check("cuFuncSetAttribute");

    /// <summary>Blocks of that size that fit on one multiprocessor at a time.</summary>
    public int BlocksPerMultiprocessor(int blockX, int sharedBytes)
    {
        int blocks = 0;
        CudaDriver.OccupancyMaxActiveBlocks(&blocks, _function, blockX, (nuint)sharedBytes).Check("cuOccupancyMaxActiveBlocksPerMultiprocessor");
        return blocks;
    }

    /// <summary>Starts the kernel on a stream. The arguments are copied before the call returns.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> has not the size of the kernel's parameter.</exception>
    public void Launch<T>(CudaStream stream, in LaunchConfig config, in T arguments)
        where T : unmanaged
    {
        Debug.Assert(config.GridX > 0 && config.BlockX > 0 && config.BlockX <= MaxThreads);
        if (ArgumentBytes is { } expected && expected != sizeof(T))
        {
            ThrowArgumentSize(typeof(T).Name, sizeof(T));
        }

        CuLaunchAttribute* attributes = stackalloc CuLaunchAttribute[2];
        uint count = 0;
        if (config.Overlap && _module.CanOverlap)
        {
            attributes[count] = default;
            attributes[count].Id = LaunchAttributeId.ProgrammaticStreamSerialization;
            attributes[count].ProgrammaticStreamSerializationAllowed = 1;
            count++;
        }

        if (config.ClusterX > 0)
        {
            attributes[count] = default;
            attributes[count].Id = LaunchAttributeId.ClusterDimension;
            attributes[count].ClusterX = (uint)config.ClusterX;
            attributes[count].ClusterY = 1;
            attributes[count].ClusterZ = 1;
            count++;
        }

        var launch = new CuLaunchConfig
        {
            GridDimX = (uint)config.GridX,
            GridDimY = (uint)Math.Max(config.GridY, 1),
            GridDimZ = (uint)Math.Max(config.GridZ, 1),
            BlockDimX = (uint)config.BlockX,
            BlockDimY = 1,
            BlockDimZ = 1,
            SharedMemBytes = (uint)config.SharedBytes,
            Stream = stream.Handle,
            Attributes = attributes,
            AttributeCount = count,
        };
        fixed (T* value = &arguments)
        {
            void* parameter = value;
            CuResult result = CudaDriver.LaunchKernelEx(&launch, _function, &parameter, null);
            if (result != CuResult.Success)
            {
                ThrowLaunch(result, config);
            }
        }

        // The function belongs to the module, which must not be unloaded by its finalizer before the launch.
        GC.KeepAlive(_module);
    }

    public override string ToString() => $"{Name} ({Registers} registers, {LocalBytes} local bytes)";

    private int Attribute(FunctionAttribute attribute)
    {
        int value = 0;
        CudaDriver.FuncGetAttribute(&value, attribute, _function).Check("cuFuncGetAttribute");
        return value;
    }

    private int? ReadArgumentBytes()
    {
        if (!CudaLibraries.DriverHas("cuFuncGetParamInfo"))
        {
            return null;
        }

        nuint offset = 0;
        nuint bytes = 0;
        CudaDriver.FuncGetParamInfo(_function, 0, &offset, &bytes).Check("cuFuncGetParamInfo");
        if (CudaDriver.FuncGetParamInfo(_function, 1, &offset, &offset) == CuResult.Success)
        {
            throw new NotSupportedException($"The kernel {Name} has more than one parameter; kernels take one structure.");
        }

        return (int)bytes;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowArgumentSize(string type, int bytes) =>
        throw new ArgumentException($"The kernel {Name} takes {ArgumentBytes} bytes of arguments, {type} has {bytes}: the structures of host and kernel differ.");

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowLaunch(CuResult result, LaunchConfig config) => DriverResults.Throw(
        result,
        $"cuLaunchKernelEx of {Name} (grid {config.GridX} x {config.GridY} x {config.GridZ}, block {config.BlockX}, {config.SharedBytes} shared bytes)");
}
