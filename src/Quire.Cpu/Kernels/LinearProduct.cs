using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>What a multiplication of every layout needs besides the weights.</summary>
internal unsafe struct LinearOperands
{
    /// <summary>[out] or null.</summary>
    public float* Bias;

    /// <summary>Columns of the weights and of x as it is arranged.</summary>
    public int InFeatures;

    public int Tokens;

    /// <summary>Floats from one arranged row of x to the next.</summary>
    public nint XStride;
    public float* Y;
    public nint YStride;
}

/// <summary>
/// The inner loops of linear layers: rows of weights that lie in the first- or second-level cache, times all tokens. Each output is a
/// sum over chunks of <see cref="LinearPlan.ChunkColumns"/> columns, added in order; each chunk is one dot product as
/// <see cref="DotTile{TSimd, TVector, TElement}"/> makes it. That holds for every number of rows, so a row's result depends on nothing else.
/// </summary>
internal static unsafe class LinearProduct<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    /// <summary>Multiplies one chunk, from column k on, of some rows with all tokens and adds the products to y.</summary>
    /// <param name="operands">x, y and their shapes.</param>
    /// <param name="x">Rows of x in the block order of the weights' type.</param>
    /// <param name="weights">The chunk of the first row.</param>
    /// <param name="rowBytes">From one row of weights to the next.</param>
    /// <param name="output">The output feature of the first row.</param>
    /// <param name="rows">Rows of weights.</param>
    /// <param name="k">The first column of the chunk: a multiple of <see cref="LinearPlan.ChunkColumns"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void MultiplyChunk(
        ref readonly LinearOperands operands, float* x, byte* weights, nint rowBytes, int output, int rows, int k)
    {
        float* sums = stackalloc float[16];
        int length = Math.Min(LinearPlan.ChunkColumns, operands.InFeatures - k);

        // Tiles of 3 rows and 4 tokens, or of 4 rows and 3 tokens: whichever leaves no token over.
        int groupRows = operands.Tokens % 4 == 0 ? 3 : 4;
        int columns;
        for (int token = 0; token < operands.Tokens; token += columns)
        {
            int left = operands.Tokens - token;
            columns = groupRows == 3 ? 4 : left == 4 ? 2 : Math.Min(3, left);
            float* start = x + token * operands.XStride + k;
            for (int row = 0; row < rows; row += groupRows)
            {
                int group = Math.Min(groupRows, rows - row);
                Tile(weights + row * rowBytes, rowBytes, group, start, operands.XStride, columns, length, sums);
                AddSums(in operands, sums, token, columns, output + row, group, k);
            }
        }
    }

    /// <summary>The dot products of up to four rows with one to four tokens. Missing rows repeat the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile(byte* w, nint rowBytes, int rows, float* x, nint xStride, int columns, int length, float* sums)
    {
        byte* w1 = w + (rows > 1 ? rowBytes : 0);
        byte* w2 = w1 + (rows > 2 ? rowBytes : 0);
        byte* w3 = w2 + (rows > 3 ? rowBytes : 0);
        switch (columns)
        {
            case 4:
                DotTile<TSimd, TVector, TElement>.Dot3x4(w, w1, w2, x, xStride, length, sums);
                break;
            case 3:
                DotTile<TSimd, TVector, TElement>.Dot4x3(w, w1, w2, w3, x, xStride, length, sums);
                break;
            case 2:
                DotTile<TSimd, TVector, TElement>.Dot4x2(w, w1, w2, w3, x, xStride, length, sums);
                break;
            default:
                DotTile<TSimd, TVector, TElement>.Dot4x1(w, w1, w2, w3, x, length, sums);
                break;
        }
    }

    /// <summary>Writes the sums of the first chunk to y, adds those of the others, and the bias after the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums(
        ref readonly LinearOperands operands, float* sums, int token, int columns, int output, int rows, int k)
    {
        bool last = k + LinearPlan.ChunkColumns >= operands.InFeatures;
        for (int c = 0; c < columns; c++)
        {
            float* y = operands.Y + (token + c) * operands.YStride + output;
            float* sum = sums + 4 * c;
            if (rows == 4)
            {
                Vector128<float> total = Vector128.Load(sum);
                total = k > 0 ? Vector128.Load(y) + total : total;
                total = last && operands.Bias != null ? total + Vector128.Load(operands.Bias + output) : total;
                total.Store(y);
                continue;
            }

            for (int r = 0; r < rows; r++)
            {
                float total = k > 0 ? y[r] + sum[r] : sum[r];
                y[r] = last && operands.Bias != null ? total + operands.Bias[output + r] : total;
            }
        }
    }
}
