using System.Runtime.InteropServices;

namespace Quire.Cuda.Interop;

/// <summary>CUresult: the values that the backend tells apart. The driver names and explains the others itself.</summary>
internal enum CuResult
{
    Success = 0,
    InvalidValue = 1,
    OutOfMemory = 2,
    NotInitialized = 3,
    Deinitialized = 4,
    StubLibrary = 34,
    NoDevice = 100,
    InvalidDevice = 101,
    InvalidImage = 200,
    InvalidContext = 201,
    NoBinaryForGpu = 209,
    InvalidPtx = 218,
    UnsupportedPtxVersion = 222,
    NotFound = 500,
    NotReady = 600,
    IllegalAddress = 700,
    LaunchOutOfResources = 701,
    LaunchTimeout = 702,
    LaunchFailed = 719,
    SystemNotReady = 802,
    SystemDriverMismatch = 803,
    CompatNotSupportedOnDevice = 804,
    StreamCaptureUnsupported = 900,
    StreamCaptureInvalidated = 901,
}

/// <summary>CUdevice_attribute.</summary>
internal enum DeviceAttribute
{
    MultiprocessorCount = 16,
    L2CacheSize = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerMultiprocessor = 81,
    MaxSharedMemoryPerBlockOptIn = 97,
}

/// <summary>CUfunction_attribute.</summary>
internal enum FunctionAttribute
{
    MaxThreadsPerBlock = 0,
    SharedSizeBytes = 1,
    LocalSizeBytes = 3,
    NumRegs = 4,
    MaxDynamicSharedSizeBytes = 8,
    PreferredSharedMemoryCarveout = 9,
}

/// <summary>CUstreamCaptureMode.</summary>
internal enum CaptureMode
{
    Global = 0,
    ThreadLocal = 1,
    Relaxed = 2,
}

/// <summary>CUstreamCaptureStatus.</summary>
internal enum CaptureStatus
{
    None = 0,
    Active = 1,
    Invalidated = 2,
}

/// <summary>CUlaunchAttributeID.</summary>
internal enum LaunchAttributeId
{
    ClusterDimension = 4,
    ProgrammaticStreamSerialization = 6,
}

/// <summary>CUlaunchConfig, 56 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CuLaunchConfig
{
    public uint GridDimX;
    public uint GridDimY;
    public uint GridDimZ;
    public uint BlockDimX;
    public uint BlockDimY;
    public uint BlockDimZ;
    public uint SharedMemBytes;
    public nint Stream;
    public CuLaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute, 72 bytes: the id, padding to eight bytes, and a union of 64 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CuLaunchAttribute
{
    [FieldOffset(0)]
    public LaunchAttributeId Id;

    [FieldOffset(8)]
    public int ProgrammaticStreamSerializationAllowed;

    [FieldOffset(8)]
    public uint ClusterX;

    [FieldOffset(12)]
    public uint ClusterY;

    [FieldOffset(16)]
    public uint ClusterZ;

    /// <summary>Gives the union the alignment of its pointers and 64-bit members.</summary>
    [FieldOffset(64)]
    public long End;
}
