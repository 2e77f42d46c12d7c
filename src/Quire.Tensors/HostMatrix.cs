namespace Quire.Tensors;

/// <summary>
/// A row-major matrix without gaps in host memory, as a checkpoint stores it: [rows, columns] of <paramref name="Type"/>. The memory
/// (often a mapped file) must outlive every use; a backend that computes on the host may keep reading it in place.
/// </summary>
/// <param name="Data">Address of the first element.</param>
/// <param name="Type">Element type.</param>
/// <param name="Rows">For a linear layer: output features. For an embedding: vocabulary size.</param>
/// <param name="Columns">For a linear layer: input features. For an embedding: hidden size.</param>
public readonly record struct HostMatrix(nint Data, DType Type, int Rows, int Columns)
{
    public long SizeInBytes => (long)Rows * Columns * Type.SizeInBytes();
}
