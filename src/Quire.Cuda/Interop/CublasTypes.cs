using System.Runtime.InteropServices;

namespace Quire.Cuda.Interop;

/// <summary>cublasStatus_t.</summary>
internal enum CublasStatus
{
    Success = 0,
    NotInitialized = 1,
    AllocFailed = 3,
    InvalidValue = 7,
    ArchMismatch = 8,
    MappingError = 11,
    ExecutionFailed = 13,
    InternalError = 14,
    NotSupported = 15,
    LicenseError = 16,
}

/// <summary>cublasComputeType_t.</summary>
internal enum CublasCompute
{
    Float32 = 68,
    Float32Pedantic = 69,
    Float32FastTf32 = 77,
}

/// <summary>cudaDataType_t.</summary>
internal enum CudaDataType
{
    Float32 = 0,
    Float16 = 2,
    BFloat16 = 14,
    Float8E4M3 = 28,
    Float8E5M2 = 29,
}

/// <summary>cublasOperation_t.</summary>
internal enum CublasOperation
{
    None = 0,
    Transpose = 1,
}

/// <summary>cublasLtEpilogue_t.</summary>
internal enum CublasEpilogue
{
    Default = 1,
    Bias = 4,
}

/// <summary>cublasLtMatmulDescAttributes_t.</summary>
internal enum MatmulDescAttribute
{
    TransposeA = 3,
    TransposeB = 4,
    Epilogue = 7,
    BiasPointer = 8,
    AScalePointer = 17,
    BScalePointer = 18,
    FastAccumulation = 25,
    BiasDataType = 26,
    AScaleMode = 31,
    BScaleMode = 32,
}

/// <summary>cublasLtMatmulMatrixScale_t.</summary>
internal enum CublasScaleMode
{
    /// <summary>One F32 for the matrix.</summary>
    Scalar = 0,

    /// <summary>An F32 for each row of D or each column of it (cuBLASLt 12.9, Hopper).</summary>
    OuterVector = 3,
}

/// <summary>cublasLtMatmulPreferenceAttributes_t.</summary>
internal enum MatmulPreferenceAttribute
{
    MaxWorkspaceBytes = 1,
    ReductionSchemeMask = 3,
    MinAlignmentABytes = 5,
    MinAlignmentBBytes = 6,
    MinAlignmentCBytes = 7,
    MinAlignmentDBytes = 8,
}

/// <summary>cublasLtMatmulAlgo_t: 64 bytes that mean something to the library version that made them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MatmulAlgo
{
    public const int SizeInBytes = 64;

    public fixed ulong Data[8];
}

/// <summary>cublasLtMatmulHeuristicResult_t, 96 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MatmulHeuristicResult
{
    public MatmulAlgo Algorithm;
    public nuint WorkspaceBytes;
    public CublasStatus State;
    public float WavesCount;
    public fixed int Reserved[4];
}
