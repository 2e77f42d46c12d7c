using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Quire.Cuda.Interop;

/// <summary>
/// The part of the CUDA driver API (CUDA Driver API reference, <c>cuda.h</c>) that the backend uses. Every function returns a result
/// that the caller passes to <see cref="DriverResults.Check"/>. <see cref="CudaLibraries.RequireDriver"/> comes before the first call.
/// </summary>
internal static unsafe partial class CudaDriver
{
    internal const string Library = "cuda";

    [LibraryImport(Library, EntryPoint = "cuInit")]
    internal static partial CuResult Init(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion")]
    internal static partial CuResult DriverGetVersion(int* version);

    [LibraryImport(Library, EntryPoint = "cuGetErrorName")]
    internal static partial CuResult GetErrorName(CuResult error, byte** name);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString")]
    internal static partial CuResult GetErrorString(CuResult error, byte** text);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount")]
    internal static partial CuResult DeviceGetCount(int* count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    internal static partial CuResult DeviceGet(int* device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    internal static partial CuResult DeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    internal static partial CuResult DeviceTotalMem(nuint* bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    internal static partial CuResult DeviceGetAttribute(int* value, DeviceAttribute attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRetain")]
    internal static partial CuResult DevicePrimaryCtxRetain(nint* context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    internal static partial CuResult DevicePrimaryCtxRelease(int device);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent")]
    internal static partial CuResult CtxSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPushCurrent_v2")]
    internal static partial CuResult CtxPushCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPopCurrent_v2")]
    internal static partial CuResult CtxPopCurrent(nint* context);

    [LibraryImport(Library, EntryPoint = "cuCtxSynchronize")]
    internal static partial CuResult CtxSynchronize();

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    internal static partial CuResult MemGetInfo(nuint* free, nuint* total);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    internal static partial CuResult MemAlloc(nint* address, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    internal static partial CuResult MemFree(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemHostAlloc")]
    internal static partial CuResult MemHostAlloc(nint* address, nuint bytes, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemFreeHost")]
    internal static partial CuResult MemFreeHost(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    internal static partial CuResult MemcpyHtoDAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    internal static partial CuResult MemcpyDtoHAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    internal static partial CuResult MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD8Async")]
    internal static partial CuResult MemsetD8Async(nint destination, byte value, nuint count, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD32Async")]
    internal static partial CuResult MemsetD32Async(nint destination, uint value, nuint count, nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate")]
    internal static partial CuResult StreamCreate(nint* stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    internal static partial CuResult StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamSynchronize")]
    internal static partial CuResult StreamSynchronize(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamQuery")]
    internal static partial CuResult StreamQuery(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamWaitEvent")]
    internal static partial CuResult StreamWaitEvent(nint stream, nint @event, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    internal static partial CuResult StreamBeginCapture(nint stream, CaptureMode mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    internal static partial CuResult StreamEndCapture(nint stream, nint* graph);

    [LibraryImport(Library, EntryPoint = "cuStreamIsCapturing")]
    internal static partial CuResult StreamIsCapturing(nint stream, CaptureStatus* status);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    internal static partial CuResult EventCreate(nint* @event, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    internal static partial CuResult EventDestroy(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    internal static partial CuResult EventRecord(nint @event, nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventQuery")]
    internal static partial CuResult EventQuery(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventSynchronize")]
    internal static partial CuResult EventSynchronize(nint @event);

    [LibraryImport(Library, EntryPoint = "cuEventElapsedTime")]
    internal static partial CuResult EventElapsedTime(float* milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadData")]
    internal static partial CuResult ModuleLoadData(nint* module, void* image);

    [LibraryImport(Library, EntryPoint = "cuModuleUnload")]
    internal static partial CuResult ModuleUnload(nint module);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction")]
    internal static partial CuResult ModuleGetFunction(nint* function, nint module, byte* name);

    [LibraryImport(Library, EntryPoint = "cuFuncGetAttribute")]
    internal static partial CuResult FuncGetAttribute(int* value, FunctionAttribute attribute, nint function);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    internal static partial CuResult FuncSetAttribute(nint function, FunctionAttribute attribute, int value);

    /// <summary>Since CUDA 12.4: whether the driver has it is asked with <see cref="CudaLibraries.DriverHas"/>.</summary>
    [LibraryImport(Library, EntryPoint = "cuFuncGetParamInfo")]
    internal static partial CuResult FuncGetParamInfo(nint function, nuint index, nuint* offset, nuint* bytes);

    [LibraryImport(Library, EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    internal static partial CuResult OccupancyMaxActiveBlocks(int* blocks, nint function, int blockSize, nuint sharedBytes);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernelEx")]
    internal static partial CuResult LaunchKernelEx(CuLaunchConfig* config, nint function, void** parameters, void** extra);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    internal static partial CuResult GraphInstantiateWithFlags(nint* graphExec, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphUpload")]
    internal static partial CuResult GraphUpload(nint graphExec, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    internal static partial CuResult GraphLaunch(nint graphExec, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    internal static partial CuResult GraphExecDestroy(nint graphExec);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    internal static partial CuResult GraphDestroy(nint graph);
}
