using System;
using System.Collections.Generic;
using System.Globalization;
using Quire.Cpu;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>
/// A CPU backend and the reference backend side by side, random tensors for both, and outputs whose surroundings are watched. The seed
/// is fresh each time unless QUIRE_TEST_SEED gives one; every failure names it.
/// </summary>
internal sealed unsafe class KernelWorld : IDisposable
{
    private const int Guard = 64;
    private const uint GuardBits = 0x7FC0_1234;
    private readonly HostMemory _memory = new();
    private readonly List<Watched> _watched = [];

    public KernelWorld(InstructionTier? tier = null, int threads = 2, int? seed = null)
    {
        string? given = Environment.GetEnvironmentVariable("QUIRE_TEST_SEED");
        Seed = seed ?? (given is null ? Random.Shared.Next() : int.Parse(given, CultureInfo.InvariantCulture));
        Random = new Random(Seed);
        Cpu = new CpuBackend(new CpuOptions { Threads = threads, ForcedTier = tier });
        Reference = new ReferenceBackend();
    }

    /// <summary>The tiers that a test runs in: all, imitated where needed; in a child process the one that it was started for.</summary>
    public static TheoryData<InstructionTier> Tiers =>
        Environment.GetEnvironmentVariable(InstructionTierTests.ChildVariable) is not null
            ? [CpuFeatures.Widest]
            : [InstructionTier.Scalar, InstructionTier.Vector128, InstructionTier.Vector256, InstructionTier.Vector512];

    public int Seed { get; }

    public Random Random { get; }

    public CpuBackend Cpu { get; }

    public ReferenceBackend Reference { get; }

    /// <summary>Random numbers in [−1, 1), in rows that are <paramref name="gap"/> elements apart; the gaps hold NaN.</summary>
    public Tensor Numbers(int rows, int columns, int gap = 0, DType type = DType.F32)
    {
        Tensor tensor = Unset(rows, columns, gap, type);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                Elements.Store(tensor, row, column, (float)(2 * Random.NextDouble() - 1));
            }
        }

        return tensor;
    }

    /// <summary>An output: every element and everything around it is NaN, and what is around it must stay so.</summary>
    public Tensor Unset(int rows, int columns, int gap = 0, DType type = DType.F32)
    {
        int size = type.SizeInBytes();
        int stride = columns + gap;
        int bytes = (rows * stride + 2 * Guard) * size;
        nint memory = _memory.AllocateBytes(bytes);
        for (int i = 0; i < bytes / size; i++)
        {
            Poison(memory, size, i);
        }

        var tensor = new Tensor(memory + Guard * size, type, rows, columns, stride);
        _watched.Add(new Watched(tensor, memory, bytes / size));
        return tensor;
    }

    /// <summary>The same elements in memory of their own, watched as well.</summary>
    public Tensor Copy(Tensor tensor)
    {
        Tensor copy = Unset(tensor.Rows, tensor.Columns, tensor.Stride - tensor.Columns, tensor.Type);
        for (int row = 0; row < tensor.Rows; row++)
        {
            tensor.RowRange(row, 1).HostBytes().CopyTo(copy.RowRange(row, 1).HostBytes());
        }

        return copy;
    }

    public Tensor Integers(params int[] values)
    {
        Tensor tensor = _memory.Allocate(DType.I32, 1, Math.Max(1, values.Length));
        values.CopyTo(tensor.HostRow<int>(0));
        return new Tensor(tensor.Data, DType.I32, 1, values.Length);
    }

    public Tensor IntegerRows(int columns, IReadOnlyList<int[]> rows)
    {
        Tensor tensor = _memory.Allocate(DType.I32, rows.Count, columns);
        for (int row = 0; row < rows.Count; row++)
        {
            rows[row].CopyTo(tensor.HostRow<int>(row));
        }

        return tensor;
    }

    public static HostMatrix Matrix(Tensor tensor)
    {
        Assert.True(tensor.IsContiguous);
        return new HostMatrix(tensor.Data, tensor.Type, tensor.Rows, tensor.Columns);
    }

    /// <summary>Fails unless |expected − actual| ≤ tolerance · (1 + |expected|) everywhere, and nothing around any output was written.</summary>
    public void AssertClose(Tensor expected, Tensor actual, double tolerance)
    {
        for (int row = 0; row < expected.Rows; row++)
        {
            for (int column = 0; column < expected.Columns; column++)
            {
                float e = Elements.Load(expected, row, column);
                float a = Elements.Load(actual, row, column);
                if (!(Math.Abs(e - a) <= tolerance * (1 + Math.Abs(e))))
                {
                    Assert.Fail($"seed {Seed}: [{row}, {column}] is {a:R}, expected {e:R} within {tolerance:R} of 1 + its size");
                }
            }
        }

        AssertSurroundingsUntouched();
    }

    /// <summary>Fails unless both hold the same bits.</summary>
    public void AssertSameBits(Tensor expected, Tensor actual, string what)
    {
        for (int row = 0; row < expected.Rows; row++)
        {
            if (!expected.RowRange(row, 1).HostBytes().SequenceEqual(actual.RowRange(row, 1).HostBytes()))
            {
                Assert.Fail($"seed {Seed}: {what}: row {row} differs");
            }
        }
    }

    public void AssertSurroundingsUntouched()
    {
        foreach (Watched watched in _watched)
        {
            int size = watched.Tensor.Type.SizeInBytes();
            for (int i = 0; i < watched.Elements; i++)
            {
                int index = i - Guard;
                int stride = Math.Max(1, watched.Tensor.Stride);
                bool inside = index >= 0 && index < watched.Tensor.Rows * stride && index % stride < watched.Tensor.Columns;
                if (!inside && !IsPoison(watched.Memory, size, i))
                {
                    Assert.Fail($"seed {Seed}: something was written {index} elements from the start of {watched.Tensor}");
                }
            }
        }
    }

    public void Dispose()
    {
        Cpu.Dispose();
        Reference.Dispose();
        _memory.Dispose();
    }

    private static void Poison(nint memory, int size, int index)
    {
        if (size == 4)
        {
            ((uint*)memory)[index] = GuardBits;
        }
        else
        {
            ((ushort*)memory)[index] = 0x7FFF;
        }
    }

    private static bool IsPoison(nint memory, int size, int index) =>
        size == 4 ? ((uint*)memory)[index] == GuardBits : ((ushort*)memory)[index] == 0x7FFF;

    private sealed record Watched(Tensor Tensor, nint Memory, int Elements);
}

internal static class TensorBytes
{
    /// <summary>The bytes of the first row.</summary>
    public static unsafe Span<byte> HostBytes(this Tensor tensor) =>
        new((void*)tensor.Data, tensor.Columns * tensor.Type.SizeInBytes());
}
