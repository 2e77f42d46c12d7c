using System;
using System.Runtime.InteropServices;
using Quire.Cuda.Interop;
using Quire.Tensors;

namespace Quire.Cuda.Blas;

/// <summary>An instance of cuBLASLt in a context.</summary>
internal sealed unsafe class CublasLtHandle : OwnedHandle
{
    /// <summary>The context is current on the calling thread.</summary>
    public CublasLtHandle(ContextHandle context)
        : base(context, Create())
    {
    }

    protected override CuResult Release(nint value) => (CuResult)(int)CublasLt.Destroy(value);

    private static nint Create()
    {
        CudaLibraries.RequireCublasLt();
        nint handle = 0;
        CublasLt.Create(&handle).Check("cublasLtCreate");
        return handle;
    }
}

/// <summary>What cuBLASLt is to compute: a description in host memory.</summary>
internal sealed unsafe class OperationHandle : SafeHandle
{
    public OperationHandle(CublasCompute compute)
        : base(0, ownsHandle: true)
    {
        nint created = 0;
        CublasLt.MatmulDescCreate(&created, compute, CudaDataType.Float32).Check("cublasLtMatmulDescCreate");
        SetHandle(created);
    }

    public override bool IsInvalid => handle == 0;

    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    public void Set(MatmulDescAttribute attribute, int value) => Set(attribute, &value, sizeof(int));

    public void Set(MatmulDescAttribute attribute, nint value) => Set(attribute, &value, (nuint)sizeof(nint));

    /// <summary>For <see cref="MatmulDescAttribute.FastAccumulation"/>, the one attribute of a single byte.</summary>
    public void Set(MatmulDescAttribute attribute, byte value) => Set(attribute, &value, 1);

    protected override bool ReleaseHandle() => CublasLt.MatmulDescDestroy(handle) == CublasStatus.Success;

    private void Set(MatmulDescAttribute attribute, void* value, nuint bytes) =>
        CublasLt.MatmulDescSetAttribute(Value, attribute, value, bytes).Check("cublasLtMatmulDescSetAttribute");
}

/// <summary>A matrix as cuBLASLt sees it, column by column: a description in host memory.</summary>
internal sealed unsafe class LayoutHandle : SafeHandle
{
    public LayoutHandle(DType type, int rows, int columns, int leadingDimension)
        : base(0, ownsHandle: true)
    {
        nint created = 0;
        CublasLt.MatrixLayoutCreate(&created, DataType(type), (ulong)rows, (ulong)columns, leadingDimension).Check("cublasLtMatrixLayoutCreate");
        SetHandle(created);
    }

    public override bool IsInvalid => handle == 0;

    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    public static CudaDataType DataType(DType type) => type switch
    {
        DType.F32 => CudaDataType.Float32,
        DType.F16 => CudaDataType.Float16,
        DType.BF16 => CudaDataType.BFloat16,
        DType.F8E4M3 => CudaDataType.Float8E4M3,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "cuBLASLt does not multiply this element type"),
    };

    protected override bool ReleaseHandle() => CublasLt.MatrixLayoutDestroy(handle) == CublasStatus.Success;
}

/// <summary>What an algorithm may need: a description in host memory.</summary>
internal sealed unsafe class PreferenceHandle : SafeHandle
{
    public PreferenceHandle(long workspaceBytes, int alignmentBytes)
        : base(0, ownsHandle: true)
    {
        nint created = 0;
        CublasLt.MatmulPreferenceCreate(&created).Check("cublasLtMatmulPreferenceCreate");
        SetHandle(created);
        Set(MatmulPreferenceAttribute.MaxWorkspaceBytes, &workspaceBytes, sizeof(long));
        uint alignment = (uint)alignmentBytes;
        Set(MatmulPreferenceAttribute.MinAlignmentABytes, &alignment, sizeof(uint));
        Set(MatmulPreferenceAttribute.MinAlignmentBBytes, &alignment, sizeof(uint));
        Set(MatmulPreferenceAttribute.MinAlignmentCBytes, &alignment, sizeof(uint));
        Set(MatmulPreferenceAttribute.MinAlignmentDBytes, &alignment, sizeof(uint));
    }

    public override bool IsInvalid => handle == 0;

    public nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    protected override bool ReleaseHandle() => CublasLt.MatmulPreferenceDestroy(handle) == CublasStatus.Success;

    private void Set(MatmulPreferenceAttribute attribute, void* value, nuint bytes) =>
        CublasLt.MatmulPreferenceSetAttribute(handle, attribute, value, bytes).Check("cublasLtMatmulPreferenceSetAttribute");
}
