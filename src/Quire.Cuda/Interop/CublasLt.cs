using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Quire.Cuda.Device;

namespace Quire.Cuda.Interop;

/// <summary>
/// cuBLASLt, NVIDIA's matrix products (cuBLAS documentation, <c>cublasLt.h</c>). <see cref="CudaLibraries.RequireCublasLt"/> comes before
/// the first call.
/// </summary>
internal static unsafe partial class CublasLt
{
    internal const string Library = "cublasLt";

    [LibraryImport(Library, EntryPoint = "cublasLtGetVersion")]
    internal static partial nuint GetVersion();

    [LibraryImport(Library, EntryPoint = "cublasLtCreate")]
    internal static partial CublasStatus Create(nint* handle);

    [LibraryImport(Library, EntryPoint = "cublasLtDestroy")]
    internal static partial CublasStatus Destroy(nint handle);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescCreate")]
    internal static partial CublasStatus MatmulDescCreate(nint* description, CublasCompute compute, CudaDataType scaleType);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescDestroy")]
    internal static partial CublasStatus MatmulDescDestroy(nint description);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulDescSetAttribute")]
    internal static partial CublasStatus MatmulDescSetAttribute(nint description, MatmulDescAttribute attribute, void* value, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cublasLtMatrixLayoutCreate")]
    internal static partial CublasStatus MatrixLayoutCreate(nint* layout, CudaDataType type, ulong rows, ulong columns, long leadingDimension);

    [LibraryImport(Library, EntryPoint = "cublasLtMatrixLayoutDestroy")]
    internal static partial CublasStatus MatrixLayoutDestroy(nint layout);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceCreate")]
    internal static partial CublasStatus MatmulPreferenceCreate(nint* preference);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceDestroy")]
    internal static partial CublasStatus MatmulPreferenceDestroy(nint preference);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulPreferenceSetAttribute")]
    internal static partial CublasStatus MatmulPreferenceSetAttribute(nint preference, MatmulPreferenceAttribute attribute, void* value, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulAlgoGetHeuristic")]
    internal static partial CublasStatus MatmulAlgoGetHeuristic(
        nint handle,
        nint operation,
        nint a,
        nint b,
        nint c,
        nint d,
        nint preference,
        int requested,
        MatmulHeuristicResult* results,
        int* returned);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmulAlgoCheck")]
    internal static partial CublasStatus MatmulAlgoCheck(
        nint handle,
        nint operation,
        nint a,
        nint b,
        nint c,
        nint d,
        MatmulAlgo* algorithm,
        MatmulHeuristicResult* result);

    [LibraryImport(Library, EntryPoint = "cublasLtMatmul")]
    internal static partial CublasStatus Matmul(
        nint handle,
        nint operation,
        void* alpha,
        nint a,
        nint aLayout,
        nint b,
        nint bLayout,
        void* beta,
        nint c,
        nint cLayout,
        nint d,
        nint dLayout,
        MatmulAlgo* algorithm,
        nint workspace,
        nuint workspaceBytes,
        nint stream);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Check(this CublasStatus status, string call)
    {
        if (status != CublasStatus.Success)
        {
            Throw(status, call);
        }
    }

    internal static void Throw(CublasStatus status, string call) => throw new CudaException(call, (int)status, status.ToString(), Text(status));

    private static string Text(CublasStatus status) => status switch
    {
        CublasStatus.NotInitialized => "cuBLASLt could not be initialised; often the device has no memory left, or the library is newer than the driver",
        CublasStatus.AllocFailed => "cuBLASLt could not allocate its own memory",
        CublasStatus.InvalidValue => "an argument has a value that cuBLASLt does not take, often a null pointer or a wrong alignment",
        CublasStatus.ArchMismatch => "this card cannot compute with these types",
        CublasStatus.ExecutionFailed => "the kernel could not be launched; often an earlier kernel failed",
        CublasStatus.NotSupported => "cuBLASLt has no kernel for these types, sizes and alignments",
        _ => "cuBLASLt reports an internal problem",
    };
}
