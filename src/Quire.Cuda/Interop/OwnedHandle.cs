using System.Runtime.InteropServices;

namespace Quire.Cuda.Interop;

/// <summary>The primary context of a device, retained. It stays until the last object that was made in it is gone.</summary>
internal sealed unsafe class ContextHandle : SafeHandle
{
    private readonly int _device;

    public ContextHandle(int device)
        : base(0, ownsHandle: true)
    {
        _device = device;
        nint context = 0;
        CudaDriver.DevicePrimaryCtxRetain(&context, device).Check("cuDevicePrimaryCtxRetain");
        SetHandle(context);
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => CudaDriver.DevicePrimaryCtxRelease(_device) == CuResult.Success;
}

/// <summary>
/// Something that the driver made in a context and that has to be given back in it, on whatever thread: the finalizer's has no
/// current context.
/// </summary>
internal abstract unsafe class OwnedHandle : SafeHandle
{
    private readonly ContextHandle _context;

    protected OwnedHandle(ContextHandle context, nint value)
        : base(0, ownsHandle: true)
    {
        bool added = false;
        context.DangerousAddRef(ref added);
        _context = context;
        SetHandle(value);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The driver's own value.</summary>
    /// <exception cref="System.ObjectDisposedException">It was given back: the driver would crash, or take it for something else.</exception>
    public nint Value
    {
        get
        {
            System.ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    protected abstract CuResult Release(nint value);

    protected sealed override bool ReleaseHandle()
    {
        CudaDriver.CtxPushCurrent(_context.DangerousGetHandle());
        CuResult result = Release(handle);
        nint popped = 0;
        CudaDriver.CtxPopCurrent(&popped);
        _context.DangerousRelease();
        return result == CuResult.Success;
    }
}

internal sealed class StreamHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.StreamDestroy(value);
}

internal sealed class EventHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.EventDestroy(value);
}

internal sealed class LoadedModuleHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.ModuleUnload(value);
}

internal sealed class GraphExecHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.GraphExecDestroy(value);
}

internal sealed class DeviceMemoryHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.MemFree(value);
}

internal sealed class PinnedMemoryHandle(ContextHandle context, nint value) : OwnedHandle(context, value)
{
    protected override CuResult Release(nint value) => CudaDriver.MemFreeHost(value);
}
