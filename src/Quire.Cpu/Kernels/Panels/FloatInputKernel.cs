using System;
using System.Runtime.CompilerServices;
using Quire.Tensors;

namespace Quire.Cpu.Kernels.Panels;

/// <summary>Lays rows of x out in blocks of rows as floats, or as pairs of BF16; an item is a block.</summary>
internal unsafe struct FloatInputKernel : IRowKernel<FloatInputKernel>
{
    public FloatRows X;
    public PanelInput Target;
    public int Rows;
    public int Columns;

    public static void Apply(ref readonly FloatInputKernel arguments, int block)
    {
        PanelInput target = arguments.Target;
        byte* values = target.Values + block * target.BlockBytes;
        int first = block * target.BlockRows;
        int rows = Math.Min(target.BlockRows, arguments.Rows - first);
        int padded = target.Groups * PanelLayout.GroupInputs;
        if (target.Form == PanelInputForm.BFloat16Pairs)
        {
            new Span<byte>(values, checked((int)target.BlockBytes)).Clear();
            for (int r = 0; r < rows; r++)
            {
                float* source = arguments.X[first + r];
                ushort* pairs = (ushort*)values + 2 * r;
                for (nint k = 0; k < arguments.Columns; k++)
                {
                    pairs[k / 2 * 2 * target.BlockRows + k % 2] = FloatConversions.SingleToBFloat16(source[k]);
                }
            }

            return;
        }

        float* floats = (float*)values;
        if (target.BlockRows == 1)
        {
            new ReadOnlySpan<float>(arguments.X[first], arguments.Columns).CopyTo(new Span<float>(floats, arguments.Columns));
            new Span<float>(floats + arguments.Columns, padded - arguments.Columns).Clear();
            return;
        }

        for (int r = 0; r < target.BlockRows; r++)
        {
            int columns = r < rows ? arguments.Columns : 0;
            Spread(columns > 0 ? arguments.X[first + r] : null, columns, padded, floats + r, target.BlockRows);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Spread(float* source, int columns, int padded, float* target, nint stride)
    {
        nint k = 0;
        for (; k < columns; k++)
        {
            target[k * stride] = source[k];
        }

        for (; k < padded; k++)
        {
            target[k * stride] = 0;
        }
    }
}
