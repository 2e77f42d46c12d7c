using System;
using Quire.Tensors.Reference;

namespace Quire.Tensors.Quantization;

/// <summary>
/// Rows of GGUF blocks. Unlike with other quantised parts the memory must outlive the layer: a backend that computes on the host reads it
/// in place.
/// </summary>
/// <param name="Data">Address of the first block; rows follow each other without gaps.</param>
/// <param name="Format">What the blocks are.</param>
/// <param name="OutFeatures">Rows.</param>
/// <param name="InFeatures">Columns: whole blocks.</param>
public sealed record BlockPart(nint Data, BlockFormat Format, int OutFeatures, int InFeatures) : QuantizedPart(OutFeatures, InFeatures, null)
{
    /// <summary>Bytes of one row.</summary>
    public long RowBytes => Format.RowBytes(InFeatures);

    public override unsafe float Weight(int output, int input)
    {
        Span<float> values = stackalloc float[Format.BlockLength()];
        byte* block = (byte*)Data + output * RowBytes + input / Format.BlockLength() * (long)Format.BlockBytes();
        BlockDecoding.Decode(Format, new ReadOnlySpan<byte>(block, Format.BlockBytes()), values);
        return values[input % Format.BlockLength()];
    }

    public override unsafe void ReadRow(int output, Span<float> values) =>
        BlockDecoding.Decode(Format, new ReadOnlySpan<byte>((byte*)Data + output * RowBytes, checked((int)RowBytes)), values);
}
