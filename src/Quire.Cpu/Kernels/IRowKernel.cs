namespace Quire.Cpu.Kernels;

/// <summary>An operation that treats each row by itself: its arguments, and what to do with one row.</summary>
internal interface IRowKernel<TSelf>
    where TSelf : unmanaged, IRowKernel<TSelf>
{
    static abstract void Apply(ref readonly TSelf arguments, int row);
}

/// <summary>A job whose items are the rows of an <see cref="IRowKernel{TSelf}"/>.</summary>
internal struct RowJob<TKernel> : IPoolJob<RowJob<TKernel>>
    where TKernel : unmanaged, IRowKernel<TKernel>
{
    public TKernel Kernel;

    public static void Execute(ref readonly RowJob<TKernel> job, int worker, int begin, int end)
    {
        for (int row = begin; row < end; row++)
        {
            TKernel.Apply(in job.Kernel, row);
        }
    }
}

/// <summary>The address of row r of an F32 tensor is <c>Data + r · Stride</c>.</summary>
internal readonly unsafe struct FloatRows(Quire.Tensors.Tensor tensor)
{
    private readonly float* _data = (float*)tensor.Data;
    private readonly nint _stride = tensor.Stride;

    public float* this[int row] => _data + row * _stride;
}
