using System;
using System.Linq;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cuda.Tests;

/// <summary>The order in which weights are packed for the device, read back as Kernels/unpack.cuh reads it.</summary>
public sealed unsafe class PackedWeightsTests : IDisposable
{
    private readonly HostMemory _memory = new();
    private readonly Random _random = new(11);

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(8, 64)]
    [InlineData(8, 208)]
    [InlineData(4, 128)]
    [InlineData(4, 336)]
    public void A_kernel_finds_every_integer_where_it_looks(int bits, int columns)
    {
        PackedFormat format = bits == 8 ? PackedFormat.Int8 : PackedFormat.Int4;
        byte[] row = [.. Enumerable.Range(0, columns).Select(_ => (byte)_random.Next(1 << bits))];
        int chunk = PackedWeights.ChunkColumns(format);
        var packed = new byte[(columns + chunk - 1) / chunk * 64];
        PackedWeights.PackRow(format, row, packed);
        for (int start = 0; start < columns; start += chunk)
        {
            for (int t = 0; t < 4; t++)
            {
                ReadOnlySpan<byte> thread = packed.AsSpan(start / chunk * 64 + 16 * t, 16);
                for (int j = 0; j < chunk / 16; j++)
                {
                    for (int e = 0; e < 4; e++)
                    {
                        int column = start + 16 * j + 4 * t + e;
                        int expected = column < columns ? row[column] : 0;
                        Assert.Equal(expected, bits == 8 ? thread[4 * j + e] : Nibble(thread, j, e));
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(128, 128)]
    [InlineData(32, 32)]
    [InlineData(48, 16)]
    [InlineData(256, 128)]
    public void Sums_end_where_scales_change(int group, int fold)
    {
        PackedWeights? packed = PackedWeights.TryPack([Integers(4, 32, 768, group)], _memory);
        Assert.NotNull(packed);
        Assert.Equal(fold, packed.Fold);
        Assert.Equal(group, packed.GroupSize);
    }

    [Fact]
    public void Parts_lie_below_each_other_with_their_scales_and_zero_points()
    {
        GroupAffinePart[] parts = [Integers(8, 16, 128, 64), Integers(8, 48, 128, 64)];
        PackedWeights packed = PackedWeights.TryPack(parts, _memory)!;
        Assert.Equal((64, 128, 128), (packed.OutFeatures, packed.InFeatures, packed.RowBytes));
        Assert.Equal(parts[1].Scale(5, 1), packed.Scales.HostRow<float>(16 + 5)[1]);
        Assert.Equal(parts[1].Zero(5, 1), packed.Zeros!.Value.HostRow<byte>(16 + 5)[1]);
    }

    [Fact]
    public void Float8_keeps_its_bytes_and_gets_a_scale_for_each_output()
    {
        Float8Part whole = Float8(16, 32, outputs: 16, new ActivationQuantization(ActivationFormat.Float8, 0.5f));
        Float8Part each = Float8(32, 32, outputs: 1, new ActivationQuantization(ActivationFormat.Float8, 0.75f));
        PackedWeights packed = PackedWeights.TryPack([whole, each], _memory)!;
        Assert.Equal(PackedFormat.Float8, packed.Format);
        Assert.Equal(0.75f, packed.InputScale);
        Assert.Equal(whole.Scale(0, 0), packed.Scales.HostRow<float>(15)[0]);
        Assert.Equal(each.Scale(3, 0), packed.Scales.HostRow<float>(19)[0]);
        Assert.Equal(new Span<byte>((byte*)each.Values.Data, 32), packed.Values.HostRow<byte>(16));
    }

    [Fact]
    public void What_the_device_has_no_order_for_is_expanded()
    {
        GroupAffinePart plain = Integers(4, 16, 64, 32);
        Assert.Null(PackedWeights.TryPack([plain with { GroupOfInput = new int[64] }], _memory));
        Assert.Null(PackedWeights.TryPack([plain, Integers(8, 16, 64, 32)], _memory));
        Assert.Null(PackedWeights.TryPack([Integers(4, 16, 64, 24)], _memory));
        Assert.Null(PackedWeights.TryPack([Integers(4, 16, 72, 72)], _memory));
        Assert.Null(PackedWeights.TryPack([Float8(24, 32, 1, null)], _memory));
        Assert.Null(PackedWeights.TryPack([Float8(32, 32, 1, new ActivationQuantization(ActivationFormat.Float8, GroupColumns: 16))], _memory));
        Assert.Null(PackedWeights.TryPack([Float8(32, 32, 1, null), new DensePart(new HostMatrix(0, DType.BF16, 16, 32))], _memory));
    }

    /// <summary>What unpack4 makes of the j-th step: pair p of a word is in nibbles p and p + 4, two pairs a step.</summary>
    private static int Nibble(ReadOnlySpan<byte> thread, int j, int e)
    {
        uint word = BitConverter.ToUInt32(thread[(j / 2 * 4)..]) >> (j % 2 * 8);
        uint pair = e < 2 ? word & 0x000f000f : (word >> 4) & 0x000f000f;
        return (int)(e % 2 == 0 ? pair & 15 : pair >> 16);
    }

    private GroupAffinePart Integers(int bits, int outputs, int columns, int group)
    {
        int words = (columns * bits + 31) / 32;
        Tensor values = _memory.Allocate(DType.I32, outputs, words);
        _random.NextBytes(new Span<byte>((byte*)values.Data, outputs * words * 4));
        int groups = (columns + group - 1) / group;
        Tensor scales = _memory.Allocate(DType.F32, outputs, groups);
        Tensor zeros = _memory.Allocate(DType.U8, outputs, groups);
        for (int row = 0; row < outputs; row++)
        {
            foreach (ref float scale in scales.HostRow<float>(row))
            {
                scale = _random.NextSingle();
            }

            foreach (ref byte zero in zeros.HostRow<byte>(row))
            {
                zero = (byte)_random.Next(1 << bits);
            }
        }

        return new GroupAffinePart(
            new PackedIntegers(values.Data, bits, IntegerOrder.RowsOfColumns, outputs, columns),
            new HostMatrix(scales.Data, DType.F32, outputs, groups),
            ScalesByGroup: false,
            new PackedIntegers(zeros.Data, 8, IntegerOrder.Bytes, outputs, groups),
            group);
    }

    private Float8Part Float8(int rows, int columns, int outputs, ActivationQuantization? activations)
    {
        Tensor values = _memory.Allocate(DType.F8E4M3, rows, columns);
        _random.NextBytes(new Span<byte>((byte*)values.Data, rows * columns));
        Tensor scales = _memory.Allocate(DType.F32, (rows + outputs - 1) / outputs, 1);
        for (int row = 0; row < scales.Rows; row++)
        {
            scales.HostRow<float>(row)[0] = _random.NextSingle();
        }

        return new Float8Part(
            new HostMatrix(values.Data, DType.F8E4M3, rows, columns), new HostMatrix(scales.Data, DType.F32, scales.Rows, 1), outputs, columns, activations);
    }
}
