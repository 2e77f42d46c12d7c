using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>
/// The rows of a weight in a packed layout, as an unmanaged struct that knows how to expand itself: all that a new layout must bring to
/// be multiplied by <see cref="PackedLinear{TSimd, TVector, TRows}"/>. The struct holds addresses, which stay valid as long as the layer.
/// </summary>
/// <typeparam name="TSelf">The struct itself.</typeparam>
internal unsafe interface IPackedRows<TSelf>
    where TSelf : unmanaged, IPackedRows<TSelf>
{
    /// <summary>
    /// Expands columns of one row to floats, in their order. Which value a column gets may depend on nothing but the row and the column,
    /// for that is what makes a product the same in every batch.
    /// </summary>
    /// <param name="rows">The weight.</param>
    /// <param name="row">From 0 to the number of output features, less one.</param>
    /// <param name="column">First column: a multiple of <see cref="LinearPlan.ChunkColumns"/>.</param>
    /// <param name="count">Columns to expand: a multiple of <see cref="PackedInput.BlockColumns"/>, at most a chunk.</param>
    /// <param name="target">Where the floats go: in the first-level cache when there are few tokens.</param>
    static abstract void Expand<TSimd, TVector>(ref readonly TSelf rows, int row, int column, int count, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}
