using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>What both halves of a LoRA update work on; entry e is the e-th row of the step that has an adapter.</summary>
internal unsafe struct LoraShape
{
    /// <summary>Row of the step of each entry.</summary>
    public int* Order;

    /// <summary>Slot of each row of the step.</summary>
    public int* Slots;

    /// <summary>First entry of each slot.</summary>
    public int* Starts;

    /// <summary>[slots, parts].</summary>
    public int* Ranks;

    public int Entries;
    public int Parts;
    public int MaxRank;

    /// <summary>[entries, parts · max rank] F32: A x. Elements past a part's rank are neither written nor read.</summary>
    public float* Inner;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int SlotOf(int entry) => Slots[Order[entry]];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly float* InnerOf(int entry, int part) => Inner + ((nint)entry * Parts + part) * MaxRank;
}

/// <summary>Puts the rows of x that have an adapter one after the other, in the order that A is multiplied in.</summary>
internal unsafe struct LoraGatherKernel<TSimd, TVector, TElement> : IRowKernel<LoraGatherKernel<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public FloatRows X;
    public int* Order;
    public float* Target;
    public nint TargetStride;
    public int Columns;

    public static void Apply(ref readonly LoraGatherKernel<TSimd, TVector, TElement> arguments, int row) =>
        BlockOrder<TSimd, TVector, TElement>.Arrange(
            arguments.X[arguments.Order[row]], arguments.Target + row * arguments.TargetStride, arguments.Columns);
}

/// <summary>
/// Inner = A x. An item is a group of four rows of A with one entry; items of one group follow each other, so that the entries of an
/// adapter meet its rows while they are in the cache.
/// </summary>
internal unsafe struct LoraShrinkJob<TSimd, TVector, TElement> : IPoolJob<LoraShrinkJob<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public LoraShape Shape;
    public byte* A;
    public int InFeatures;

    /// <summary>[entries, in] in block order.</summary>
    public float* X;
    public nint XStride;

    /// <summary>Groups of each part.</summary>
    public readonly int GroupsPerPart => (Shape.MaxRank + 3) / 4;

    public static void Execute(ref readonly LoraShrinkJob<TSimd, TVector, TElement> job, int worker, int begin, int end)
    {
        int entries = job.Shape.Entries;
        int item = begin;
        while (item < end)
        {
            int group = item / entries;
            int entry = item % entries;
            int last = Math.Min(entries, entry + end - item);
            item += last - entry;
            while (entry < last)
            {
                int slot = job.Shape.SlotOf(entry);
                int stop = Math.Min(last, job.Shape.Starts[slot + 1]);
                Multiply(in job, slot, group, entry, stop);
                entry = stop;
            }
        }
    }

    /// <summary>Multiplies one group of rows of one slot with the entries [first, stop), which all have that slot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void Multiply(ref readonly LoraShrinkJob<TSimd, TVector, TElement> job, int slot, int group, int first, int stop)
    {
        float* sums = stackalloc float[12];
        int part = group / job.GroupsPerPart;
        int row = group % job.GroupsPerPart * 4;
        int rows = Math.Min(4, job.Shape.Ranks[slot * job.Shape.Parts + part] - row);
        if (rows <= 0)
        {
            return;
        }

        nint rowBytes = (nint)job.InFeatures * TElement.Size;
        byte* w0 = job.A + (((nint)slot * job.Shape.Parts + part) * job.Shape.MaxRank + row) * rowBytes;
        byte* w1 = w0 + (rows > 1 ? rowBytes : 0);
        byte* w2 = w1 + (rows > 2 ? rowBytes : 0);
        byte* w3 = w2 + (rows > 3 ? rowBytes : 0);
        for (int entry = first; entry < stop;)
        {
            int columns = Math.Min(3, stop - entry);
            float* x = job.X + entry * job.XStride;
            switch (columns)
            {
                case 3:
                    DotTile<TSimd, TVector, TElement>.Dot4x3(w0, w1, w2, w3, x, job.XStride, job.InFeatures, sums);
                    break;
                case 2:
                    DotTile<TSimd, TVector, TElement>.Dot4x2(w0, w1, w2, w3, x, job.XStride, job.InFeatures, sums);
                    break;
                default:
                    DotTile<TSimd, TVector, TElement>.Dot4x1(w0, w1, w2, w3, x, job.InFeatures, sums);
                    break;
            }

            for (int c = 0; c < columns; c++, entry++)
            {
                float* inner = job.Shape.InnerOf(entry, part) + row;
                for (int r = 0; r < rows; r++)
                {
                    inner[r] = sums[4 * c + r];
                }
            }
        }
    }
}

/// <summary>
/// y += B · inner. An item is a strip of columns of one part with one entry; the sum over the rank is made from its beginning, in order,
/// and then added to y, so that it does not depend on how the columns are cut.
/// </summary>
internal unsafe struct LoraExpandJob<TSimd, TVector, TElement> : IPoolJob<LoraExpandJob<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    private const int StripColumns = LoraKernel.StripColumns;

    public LoraShape Shape;
    public byte* B;
    public int OutFeatures;

    /// <summary>Output features of each part.</summary>
    public fixed int PartRows[LoraKernel.MaxParts];
    public FloatRows Y;

    public static void Execute(ref readonly LoraExpandJob<TSimd, TVector, TElement> job, int worker, int begin, int end)
    {
        int entries = job.Shape.Entries;
        int item = begin;
        while (item < end)
        {
            int strip = item / entries;
            int entry = item % entries;
            int last = Math.Min(entries, entry + end - item);
            item += last - entry;
            int part = 0;
            int column = 0;
            for (int strips = LoraKernel.Strips(job.PartRows[0]); strip >= strips; strips = LoraKernel.Strips(job.PartRows[part]))
            {
                strip -= strips;
                column += job.PartRows[part++];
            }

            int count = Math.Min(StripColumns, job.PartRows[part] - strip * StripColumns);
            column += strip * StripColumns;
            for (; entry < last; entry++)
            {
                int slot = job.Shape.SlotOf(entry);
                int rank = job.Shape.Ranks[slot * job.Shape.Parts + part];
                if (rank > 0)
                {
                    byte* b = job.B + ((nint)slot * job.Shape.MaxRank * job.OutFeatures + column) * TElement.Size;
                    AddStrip(job.Shape.InnerOf(entry, part), rank, b, (nint)job.OutFeatures * TElement.Size, job.Y[job.Shape.Order[entry]] + column, count);
                }
            }
        }
    }

    /// <summary>y[c] += Σ inner[r] · b[r, c] for the columns of a strip.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddStrip(float* inner, int rank, byte* b, nint rowBytes, float* y, int count)
    {
        nint c = 0;
        nint step = (nint)TSimd.Count * TElement.Size;
        for (; c <= count - 4 * TSimd.Count; c += 4 * TSimd.Count)
        {
            TVector a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
            byte* row = b + c * TElement.Size;
            for (nint r = 0; r < rank; r++, row += rowBytes)
            {
                TVector factor = TSimd.Create(inner[r]);
                a0 = TSimd.MultiplyAdd(factor, TElement.Load<TSimd, TVector>(row), a0);
                a1 = TSimd.MultiplyAdd(factor, TElement.Load<TSimd, TVector>(row + step), a1);
                a2 = TSimd.MultiplyAdd(factor, TElement.Load<TSimd, TVector>(row + 2 * step), a2);
                a3 = TSimd.MultiplyAdd(factor, TElement.Load<TSimd, TVector>(row + 3 * step), a3);
            }

            Add(y + c, a0);
            Add(y + c + TSimd.Count, a1);
            Add(y + c + 2 * TSimd.Count, a2);
            Add(y + c + 3 * TSimd.Count, a3);
        }

        for (; c < count; c += TSimd.Count)
        {
            int columns = (int)Math.Min(TSimd.Count, count - c);
            TVector sum = TSimd.Zero;
            byte* row = b + c * TElement.Size;
            for (nint r = 0; r < rank; r++, row += rowBytes)
            {
                TVector value = columns == TSimd.Count ? TElement.Load<TSimd, TVector>(row) : Partial.Load<TSimd, TVector, TElement>(row, columns);
                sum = TSimd.MultiplyAdd(TSimd.Create(inner[r]), value, sum);
            }

            if (columns == TSimd.Count)
            {
                Add(y + c, sum);
                continue;
            }

            sum = TSimd.Add(Partial.Load<TSimd, TVector, F32Element>((byte*)(y + c), columns), sum);
            Partial.Store<TSimd, TVector, F32Element>((byte*)(y + c), sum, columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* y, TVector sum) => TSimd.Store(y, TSimd.Add(TSimd.Load(y), sum));
}
