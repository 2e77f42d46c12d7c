using System;
using System.Text;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Device;

/// <summary>Compiled kernels, loaded into a device's context.</summary>
internal sealed unsafe class KernelModule : IDisposable
{
    private readonly LoadedModuleHandle _module;

    /// <param name="device">Its context is current on the calling thread.</param>
    /// <param name="name">For messages: the source that it was compiled from.</param>
    /// <param name="cubin">The code, for this device's architecture.</param>
    /// <exception cref="CudaException">The code is not for this card or is damaged.</exception>
    public KernelModule(CudaDevice device, string name, ReadOnlySpan<byte> cubin)
    {
        Name = name;
        CanOverlap = device.ComputeMajor >= 9;
        nint module = 0;
        fixed (byte* image = cubin)
        {
            CudaDriver.ModuleLoadData(&module, image).Check($"cuModuleLoadData of {name}");
        }

        _module = new LoadedModuleHandle(device.Context, module);
    }

    public string Name { get; }

    /// <summary>True where kernels may start before the one in front has ended: from Hopper on.</summary>
    internal bool CanOverlap { get; }

    /// <summary>The kernel of that name, declared <c>extern "C"</c>. Every call makes a new object: keep it.</summary>
    /// <exception cref="CudaException">There is none.</exception>
    public CudaKernel Get(string name)
    {
        nint function = 0;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + "\0"))
        {
            CudaDriver.ModuleGetFunction(&function, _module.Value, text).Check($"cuModuleGetFunction of {name} in {Name}");
        }

        return new CudaKernel(this, name, function);
    }

    /// <summary>No kernel of the module is running.</summary>
    public void Dispose() => _module.Dispose();
}
