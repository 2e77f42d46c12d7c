using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>
/// Rows of integers with a scale and a zero point for each group of columns: w = (q − zero) · scale, computed as q · scale − zero ·
/// scale. The columns are ordered and padded so that every 16 belong to one group.
/// </summary>
/// <typeparam name="TBits">How 32 integers lie in memory.</typeparam>
internal unsafe struct AffineRows<TBits> : IPackedRows<AffineRows<TBits>>
    where TBits : struct, IIntegerBlock
{
    private const int SpansPerChunk = LinearPlan.ChunkColumns / ColumnOrder.SpanColumns;

    /// <summary>Blocks of integers, row after row.</summary>
    public byte* Values;
    public nint RowBytes;

    /// <summary>[rows, groups] and a vector more.</summary>
    public byte* Scales;
    public DType ScaleType;

    /// <summary>[rows, groups] and a vector more; null where every zero is <see cref="Zero"/>.</summary>
    public byte* Zeros;
    public float Zero;
    public int Groups;

    /// <summary>[columns / 16]: the group of every span; never falls.</summary>
    public ushort* GroupOfSpan;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Expand<TSimd, TVector>(ref readonly AffineRows<TBits> rows, int row, int column, int count, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        // A chunk has no more groups than spans; vectors are loaded and stored whole.
        float* scales = stackalloc float[SpansPerChunk + 16];
        float* offsets = stackalloc float[SpansPerChunk + 16];
        ushort* groups = rows.GroupOfSpan + column / ColumnOrder.SpanColumns;
        int first = groups[0];
        Parameters<TSimd, TVector>(in rows, (nint)row * rows.Groups + first, groups[count / ColumnOrder.SpanColumns - 1] - first + 1, scales, offsets);
        byte* block = rows.Values + row * rows.RowBytes + column / PackedInput.BlockColumns * (nint)TBits.BlockBytes;
        for (int i = 0; i < count; i += PackedInput.BlockColumns, groups += 2, block += TBits.BlockBytes)
        {
            int g = groups[0] - first;
            int h = groups[1] - first;
            TBits.Expand<TSimd, TVector>(
                block, TSimd.Create(scales[g]), TSimd.Create(offsets[g]), TSimd.Create(scales[h]), TSimd.Create(offsets[h]), target + i);
        }
    }

    /// <summary>scales[i] and offsets[i] = −zero · scale of <paramref name="count"/> groups from an index on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Parameters<TSimd, TVector>(ref readonly AffineRows<TBits> rows, nint index, int count, float* scales, float* offsets)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector zero = TSimd.Create(rows.Zero);
        for (nint i = 0; i < count; i += TSimd.Count)
        {
            TVector scale = rows.ScaleType switch
            {
                DType.F16 => TSimd.LoadHalf((ushort*)rows.Scales + index + i),
                DType.BF16 => TSimd.LoadBFloat16((ushort*)rows.Scales + index + i),
                _ => TSimd.Load((float*)rows.Scales + index + i),
            };
            if (rows.Zeros != null)
            {
                zero = TSimd.ToFloats(TSimd.LoadBytes(rows.Zeros + index + i));
            }

            TSimd.Store(scales + i, scale);
            TSimd.Store(offsets + i, TSimd.Subtract(TSimd.Zero, TSimd.Multiply(zero, scale)));
        }
    }
}

/// <summary>How 32 integers lie in memory, and their expansion.</summary>
internal unsafe interface IIntegerBlock
{
    static abstract int Bits { get; }

    /// <summary>Bytes of 32 integers.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>target[i] = q[i] · scale + offset, with a scale and an offset for the first 16 and for the last 16.</summary>
    static abstract void Expand<TSimd, TVector>(byte* block, TVector scale, TVector offset, TVector scale2, TVector offset2, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;

    /// <summary>Packs 32 integers.</summary>
    static abstract void Pack(byte* values, byte* block);
}

/// <summary>16 bytes: integer i in the lower half of byte i, integer 16 + i in the upper half.</summary>
internal readonly unsafe struct Integers4 : IIntegerBlock
{
    public static int Bits => 4;

    public static int BlockBytes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, TVector scale, TVector offset, TVector scale2, TVector offset2, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (TSimd.Count == 8)
        {
            // Without a loop: the compiler does not unroll this one.
            TVector first = TSimd.LoadBytes(block);
            TVector second = TSimd.LoadBytes(block + 8);
            TSimd.Store(target, TSimd.MultiplyAdd(TSimd.LowNibbles(first), scale, offset));
            TSimd.Store(target + 8, TSimd.MultiplyAdd(TSimd.LowNibbles(second), scale, offset));
            TSimd.Store(target + 16, TSimd.MultiplyAdd(TSimd.HighNibbles(first), scale2, offset2));
            TSimd.Store(target + 24, TSimd.MultiplyAdd(TSimd.HighNibbles(second), scale2, offset2));
            return;
        }

        for (int i = 0; i < 16; i += TSimd.Count)
        {
            TVector pairs = TSimd.LoadBytes(block + i);
            TSimd.Store(target + i, TSimd.MultiplyAdd(TSimd.LowNibbles(pairs), scale, offset));
            TSimd.Store(target + 16 + i, TSimd.MultiplyAdd(TSimd.HighNibbles(pairs), scale2, offset2));
        }
    }

    public static void Pack(byte* values, byte* block)
    {
        for (int i = 0; i < 16; i++)
        {
            block[i] = (byte)(values[i] | values[16 + i] << 4);
        }
    }
}

/// <summary>32 bytes in order.</summary>
internal readonly unsafe struct Integers8 : IIntegerBlock
{
    public static int Bits => 8;

    public static int BlockBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Expand<TSimd, TVector>(byte* block, TVector scale, TVector offset, TVector scale2, TVector offset2, float* target)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (TSimd.Count == 8)
        {
            TSimd.Store(target, TSimd.MultiplyAdd(TSimd.ToFloats(TSimd.LoadBytes(block)), scale, offset));
            TSimd.Store(target + 8, TSimd.MultiplyAdd(TSimd.ToFloats(TSimd.LoadBytes(block + 8)), scale, offset));
            TSimd.Store(target + 16, TSimd.MultiplyAdd(TSimd.ToFloats(TSimd.LoadBytes(block + 16)), scale2, offset2));
            TSimd.Store(target + 24, TSimd.MultiplyAdd(TSimd.ToFloats(TSimd.LoadBytes(block + 24)), scale2, offset2));
            return;
        }

        for (int i = 0; i < 16; i += TSimd.Count)
        {
            TVector low = TSimd.ToFloats(TSimd.LoadBytes(block + i));
            TVector high = TSimd.ToFloats(TSimd.LoadBytes(block + 16 + i));
            TSimd.Store(target + i, TSimd.MultiplyAdd(low, scale, offset));
            TSimd.Store(target + 16 + i, TSimd.MultiplyAdd(high, scale2, offset2));
        }
    }

    public static void Pack(byte* values, byte* block)
    {
        for (int i = 0; i < BlockBytes; i++)
        {
            block[i] = values[i];
        }
    }
}
