using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Quire.Cpu.Simd;
using Quire.Tensors;

namespace Quire.Cpu.Bench;

/// <summary>What the machine can do at best with the threads of a backend: the yardstick for kernels.</summary>
/// <param name="ReadBytesPerSecond">Reading memory that no cache holds.</param>
/// <param name="FlopsPerSecond">Multiply-adds from registers, two operations each.</param>
public sealed record MachineLimits(double ReadBytesPerSecond, double FlopsPerSecond)
{
    /// <summary>Products of bytes added in 16 bits on AVX2, two operations each; 0 without it.</summary>
    public double ByteOpsPerSecond { get; init; }

    /// <summary>Products of 16-bit integers added in 32 bits on AVX2, two operations each; 0 without it.</summary>
    public double WordOpsPerSecond { get; init; }

    private const long BufferBytes = 256L << 20;

    /// <summary>Measures both, the best of several short runs each. Takes about a second.</summary>
    /// <param name="options">Threads and instructions, as for the backend that is to be judged.</param>
    public static MachineLimits Measure(CpuOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        CpuFeatures features = CpuFeatures.Detect(options.TierLimit);
        using var runtime = new CpuRuntime(options.Threads > 0 ? options.Threads : features.PhysicalCores, options.SpinMicros);
        return features.Tier switch
        {
            InstructionTier.Vector512 => Measure<Simd512, Vector512<float>>(runtime),
            InstructionTier.Vector256 => Measure<Simd256, Vector256<float>>(runtime),
            InstructionTier.Vector128 => Measure<Simd128, Vector128<float>>(runtime),
            _ => Measure<SimdScalar, float>(runtime),
        };
    }

    private static unsafe MachineLimits Measure<TSimd, TVector>(CpuRuntime runtime)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        using var memory = new HostMemory();
        var read = new ReadJob<TSimd, TVector> { Data = (byte*)memory.AllocateBytes(BufferBytes) };

        // Pages that were never written may all be one page of zeros, which the cache holds.
        new Span<byte>(read.Data, checked((int)BufferBytes)).Fill(1);
        var multiply = new MultiplyJob<TSimd, TVector>();
        double bytesPerSecond = 0;
        double flopsPerSecond = 0;
        for (int round = 0; round < 12; round++)
        {
            int pieces = (int)(BufferBytes / ReadJob<TSimd, TVector>.PieceBytes);
            long start = Stopwatch.GetTimestamp();
            runtime.Pool.Run(in read, pieces, 4);
            bytesPerSecond = Math.Max(bytesPerSecond, BufferBytes / Stopwatch.GetElapsedTime(start).TotalSeconds);

            int rounds = 64 * runtime.Pool.Threads;
            start = Stopwatch.GetTimestamp();
            runtime.Pool.Run(in multiply, rounds, 4);
            double flops = (double)rounds * MultiplyJob<TSimd, TVector>.MultiplyAdds * 2;
            flopsPerSecond = Math.Max(flopsPerSecond, flops / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return new MachineLimits(bytesPerSecond, flopsPerSecond)
        {
            ByteOpsPerSecond = Avx2.IsSupported ? Rate(runtime, default(ByteProductsJob), ByteProductsJob.MultiplyAdds) : 0,
            WordOpsPerSecond = Avx2.IsSupported ? Rate(runtime, default(WordProductsJob), WordProductsJob.MultiplyAdds) : 0,
        };
    }

    /// <summary>Operations a second of a job whose items do so many multiply-adds: the best of several short runs.</summary>
    private static double Rate<TJob>(CpuRuntime runtime, in TJob job, long multiplyAdds)
        where TJob : unmanaged, IPoolJob<TJob>
    {
        double best = 0;
        for (int round = 0; round < 12; round++)
        {
            int items = 64 * runtime.Pool.Threads;
            long start = Stopwatch.GetTimestamp();
            runtime.Pool.Run(in job, items, 4);
            best = Math.Max(best, 2.0 * items * multiplyAdds / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    /// <summary>Adds up a buffer; an item is 256 KiB of it.</summary>
    private unsafe struct ReadJob<TSimd, TVector> : IPoolJob<ReadJob<TSimd, TVector>>
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        public const int PieceBytes = 256 << 10;

        public byte* Data;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Execute(ref readonly ReadJob<TSimd, TVector> job, int worker, int begin, int end)
        {
            float* next = (float*)(job.Data + (nint)begin * PieceBytes);
            float* last = (float*)(job.Data + (nint)end * PieceBytes);
            TVector a = TSimd.Zero, b = TSimd.Zero, c = TSimd.Zero, d = TSimd.Zero;
            for (; next < last; next += 4 * TSimd.Count)
            {
                a = TSimd.Add(a, TSimd.Load(next));
                b = TSimd.Add(b, TSimd.Load(next + TSimd.Count));
                c = TSimd.Add(c, TSimd.Load(next + 2 * TSimd.Count));
                d = TSimd.Add(d, TSimd.Load(next + 3 * TSimd.Count));
            }

            Keep(TSimd.Sum(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d))));
        }
    }

    /// <summary>Multiply-adds on ten independent accumulators.</summary>
    private struct MultiplyJob<TSimd, TVector> : IPoolJob<MultiplyJob<TSimd, TVector>>
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        private const int Rounds = 2000;

        /// <summary>Multiply-adds of one item.</summary>
        public static long MultiplyAdds => 10L * Rounds * TSimd.Count;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public static void Execute(ref readonly MultiplyJob<TSimd, TVector> job, int worker, int begin, int end)
        {
            TVector x = TSimd.Create(0.999f);
            TVector y = TSimd.Create(worker * 1e-3f);
            TVector a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y;
            for (long round = (long)(end - begin) * Rounds; round > 0; round--)
            {
                a = TSimd.MultiplyAdd(a, x, y);
                b = TSimd.MultiplyAdd(b, x, y);
                c = TSimd.MultiplyAdd(c, x, y);
                d = TSimd.MultiplyAdd(d, x, y);
                e = TSimd.MultiplyAdd(e, x, y);
                f = TSimd.MultiplyAdd(f, x, y);
                g = TSimd.MultiplyAdd(g, x, y);
                h = TSimd.MultiplyAdd(h, x, y);
                i = TSimd.MultiplyAdd(i, x, y);
                j = TSimd.MultiplyAdd(j, x, y);
            }

            // One call after the loop: a vector that lives across a call would be kept in memory inside the loop.
            TVector sum = TSimd.Add(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(TSimd.Add(e, f), TSimd.Add(g, h)));
            Keep(TSimd.Sum(TSimd.Add(sum, TSimd.Add(i, j))));
        }
    }

    /// <summary>Keeps the compiler from dropping what leads to the value.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Keep(float value) => _ = value;
}
