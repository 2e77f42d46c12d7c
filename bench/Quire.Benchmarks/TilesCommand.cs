using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.Intrinsics;
using Quire.Cpu.Kernels;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Benchmarks;

/// <summary>Times the inner loops of linear layers on one thread with data in the first-level cache, all variants in turn.</summary>
internal static unsafe class TilesCommand
{
    private const int Length = 1024;
    private const int Calls = 64;
    private const int Rounds = 400;

    public static int Run()
    {
        using var memory = new HostMemory();
        byte* w = (byte*)memory.AllocateBytes(4 * (Length + 16) * 4);
        float* x = (float*)memory.AllocateBytes(4 * (Length + 16) * 4);
        float* sums = (float*)memory.AllocateBytes(64 * 4);
        const nint Stride = Length + 16;
        var variants = new List<(string Name, int Products, Action Run)>
        {
            ("4x1 f32", 4, () => DotTile<Simd256, Vector256<float>, F32Element>.Dot4x1(
                w, w + 4 * Stride, w + 8 * Stride, w + 12 * Stride, x, Length, sums)),
            ("4x2 f32", 8, () => DotTile<Simd256, Vector256<float>, F32Element>.Dot4x2(
                w, w + 4 * Stride, w + 8 * Stride, w + 12 * Stride, x, Stride, Length, sums)),
            ("4x3 f32", 12, () => DotTile<Simd256, Vector256<float>, F32Element>.Dot4x3(
                w, w + 4 * Stride, w + 8 * Stride, w + 12 * Stride, x, Stride, Length, sums)),
            ("4x1 bf16", 4, () => DotTile<Simd256, Vector256<float>, BF16Element>.Dot4x1(
                w, w + 2 * Stride, w + 4 * Stride, w + 6 * Stride, x, Length, sums)),
            ("4x2 bf16", 8, () => DotTile<Simd256, Vector256<float>, BF16Element>.Dot4x2(
                w, w + 2 * Stride, w + 4 * Stride, w + 6 * Stride, x, Stride, Length, sums)),
            ("4x3 bf16", 12, () => DotTile<Simd256, Vector256<float>, BF16Element>.Dot4x3(
                w, w + 2 * Stride, w + 4 * Stride, w + 6 * Stride, x, Stride, Length, sums)),
            ("3x4 f32", 12, () => DotTile<Simd256, Vector256<float>, F32Element>.Dot3x4(
                w, w + 4 * Stride, w + 8 * Stride, x, Stride, Length, sums)),
            ("3x4 bf16", 12, () => DotTile<Simd256, Vector256<float>, BF16Element>.Dot3x4(
                w, w + 2 * Stride, w + 4 * Stride, x, Stride, Length, sums)),
            ("4x3 f16", 12, () => DotTile<Simd256, Vector256<float>, F16Element>.Dot4x3(
                w, w + 2 * Stride, w + 4 * Stride, w + 6 * Stride, x, Stride, Length, sums)),
            ("expand 4 rows bf16", 4, () =>
            {
                for (int r = 0; r < 4; r++)
                {
                    RowConversion<Simd256, Vector256<float>, BF16Element>.Expand(w + r * 2 * Stride, x + r * Stride, Length);
                }
            }),
        };
        var times = new double[variants.Count][];
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = new double[Rounds];
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < variants.Count; i++)
            {
                double start = ThreadClock.Seconds();
                for (int call = 0; call < Calls; call++)
                {
                    variants[i].Run();
                }

                times[i][round] = (ThreadClock.Seconds() - start) / Calls;
            }
        }

        for (int i = 0; i < variants.Count; i++)
        {
            Array.Sort(times[i]);
            double flops = 2.0 * variants[i].Products * Length;
            double median = times[i][Rounds / 2];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{variants[i].Name,-22}{median * 1e9,9:F0} ns{flops / median / 1e9,9:F1} GFLOP/s, best {flops / times[i][0] / 1e9,6:F1}"));
        }

        return 0;
    }
}
