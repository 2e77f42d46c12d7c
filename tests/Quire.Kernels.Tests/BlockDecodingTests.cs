using System;
using System.Linq;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>The definition of block formats against ggml's own functions.</summary>
public class BlockDecodingTests
{
    [Fact]
    public void Every_format_decodes_to_what_ggml_decodes()
    {
        Assert.Equal(BlockFormats.All, GgmlBlocks.Decoded.Select(item => item.Format).Order());
        foreach ((BlockFormat format, byte[] blocks, float[] expected) in GgmlBlocks.Decoded)
        {
            var actual = new float[expected.Length];
            BlockDecoding.Decode(format, blocks, actual);
            for (int i = 0; i < expected.Length; i++)
            {
                // The two may order a product and a sum differently.
                Assert.True(Math.Abs(expected[i] - actual[i]) <= 2e-6f * Math.Max(1, Math.Abs(expected[i])), $"{format.DisplayName()} value {i}: {actual[i]} instead of {expected[i]}");
            }
        }
    }

    [Fact]
    public void Half_a_block_is_refused() =>
        Assert.Throws<ArgumentException>(() => BlockDecoding.Decode(BlockFormat.Q80, new byte[17], new float[16]));
}
