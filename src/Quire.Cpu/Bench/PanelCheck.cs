using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Cpu.Bench;

/// <summary>
/// Compares layers of weights in panels with the reference backend on random shapes and numbers, and times them: for a processor at hand
/// that has no development tools.
/// </summary>
public sealed class PanelCheck(CpuOptions options, int seed)
{
    private static readonly string[] AllFormats = ["Q4_0", "Q8_0", "Q4_1", "Q5_0", "Q5_1", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "int4", "int8", "BF16"];

    private readonly Random _random = new(seed);

    /// <summary>What is compared or timed.</summary>
    public IReadOnlyList<string> Formats { get; init; } = AllFormats;

    /// <summary>Layer type, shapes, and the greatest difference; ends with "ok" or "WRONG".</summary>
    public IEnumerable<string> Compare()
    {
        foreach (string weights in Formats)
        {
            foreach ((int inputs, int outputs, int tokens) in new[]
            {
                (32, 1, 1), (64, 16, 2), (96, 37, 3), (1056, 50, 4), (544, 17, 5), (2080, 33, 1), (2080, 33, 9), (256, 16, 131), (512, 37, 3), (2304, 33, 1), (2304, 33, 2), (4096, 48, 70),
            })
            {
                if (weights.EndsWith('K') && inputs % 256 != 0)
                {
                    continue;
                }

                using var backend = new CpuBackend(options);
                using var reference = new ReferenceBackend();
                LinearSource source = Source(backend, weights, outputs, inputs);
                Tensor x = Numbers(backend, tokens, inputs);
                Tensor y = backend.Allocate(DType.F32, tokens, outputs);
                Tensor expected = backend.Allocate(DType.F32, tokens, outputs);
                var weight = (CpuLinear)backend.CreateLinear(source);
                backend.Ops.Linear(x, weight, y);
                if (weight.InputBits == 8)
                {
                    for (int row = 0; row < tokens; row++)
                    {
                        IntegerActivations.Round(x.HostRow<float>(row));
                    }
                }

                reference.Ops.Linear(x, reference.CreateLinear(source), expected);
                double worst = Worst(expected, y);
                double limit = Math.Sqrt(inputs) * weight.InputBits switch
                {
                    8 => 2e-6,
                    16 => 2e-5,
                    _ => 4e-3,
                };
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{weight.KernelName,-16} [{outputs}, {inputs}] x {tokens}: {worst:E1} {(worst <= limit ? "ok" : "WRONG")}");
            }
        }
    }

    /// <summary>Rates of one layer that stays in the caches, by rows of x.</summary>
    public IEnumerable<string> Time()
    {
        const int Inputs = 2048;
        const int Outputs = 2048;
        foreach (string weights in Formats)
        {
            using var backend = new CpuBackend(options);
            var weight = (CpuLinear)backend.CreateLinear(Source(backend, weights, Outputs, Inputs));
            foreach (int tokens in new[] { 1, 2, 4, 8, 32, 512 })
            {
                Tensor x = Numbers(backend, tokens, Inputs);
                Tensor y = backend.Allocate(DType.F32, tokens, Outputs);
                double best = double.MaxValue;
                long begin = Stopwatch.GetTimestamp();
                while (Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.4)
                {
                    long start = Stopwatch.GetTimestamp();
                    backend.Ops.Linear(x, weight, y);
                    best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
                }

                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{weight.KernelName,-16} x {tokens,3}: {2.0 * tokens * Inputs * Outputs / best / 1e9,8:F1} GFLOP/s {weight.SizeInBytes / best / 1e9,7:F1} GB/s");
            }
        }
    }

    private static double Worst(Tensor expected, Tensor actual)
    {
        double worst = 0;
        for (int row = 0; row < expected.Rows; row++)
        {
            for (int column = 0; column < expected.Columns; column++)
            {
                double e = expected.HostRow<float>(row)[column];
                double difference = Math.Abs(e - actual.HostRow<float>(row)[column]) / (1 + Math.Abs(e));
                worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
            }
        }

        return worst;
    }

    private LinearSource Source(CpuBackend backend, string weights, int outputs, int inputs)
    {
        if (weights == "BF16")
        {
            Tensor matrix = backend.Allocate(DType.BF16, outputs, inputs);
            for (int row = 0; row < outputs; row++)
            {
                foreach (ref ushort value in matrix.HostRow<ushort>(row))
                {
                    value = FloatConversions.SingleToBFloat16((float)(2 * _random.NextDouble() - 1));
                }
            }

            return new LinearSource("layer", [new DensePart(new HostMatrix(matrix.Data, DType.BF16, outputs, inputs))]);
        }

        if (weights.StartsWith("int", StringComparison.Ordinal))
        {
            return new LinearSource("layer", [Integers(backend, weights == "int4" ? 4 : 8, outputs, inputs)]);
        }

        (BlockFormat format, int[] places, double most) = weights switch
        {
            "Q4_0" => (BlockFormat.Q40, [0], 8.0),
            "Q4_1" => (BlockFormat.Q41, [0, 2], 15.0),
            "Q5_0" => (BlockFormat.Q50, [0], 16.0),
            "Q5_1" => (BlockFormat.Q51, [0, 2], 31.0),
            "Q3_K" => (BlockFormat.Q3K, [108], 32.0 * 4),
            "Q4_K" => (BlockFormat.Q4K, [0, 2], 63.0 * 15),
            "Q5_K" => (BlockFormat.Q5K, [0, 2], 63.0 * 31),
            "Q6_K" => (BlockFormat.Q6K, [208], 128.0 * 32),
            _ => (BlockFormat.Q80, new[] { 0 }, 128.0),
        };
        Tensor memory = backend.Allocate(DType.U8, 1, checked((int)(outputs * format.RowBytes(inputs))));
        Span<byte> bytes = memory.HostRow<byte>(0);
        _random.NextBytes(bytes);
        for (int block = 0; block < bytes.Length; block += format.BlockBytes())
        {
            foreach (int place in places)
            {
                BinaryPrimitives.WriteHalfLittleEndian(bytes[(block + place)..], (Half)((2 * _random.NextDouble() - 1) / most));
            }
        }

        return new LinearSource("layer", [new BlockPart(memory.Data, format, outputs, inputs)]);
    }

    /// <summary>Groups of 128 with zero points.</summary>
    private GroupAffinePart Integers(CpuBackend backend, int bits, int outputs, int inputs)
    {
        const int GroupSize = 128;
        int groups = (inputs + GroupSize - 1) / GroupSize;
        Tensor scales = Numbers(backend, outputs, groups);
        for (int row = 0; row < outputs; row++)
        {
            foreach (ref float scale in scales.HostRow<float>(row))
            {
                scale /= 1 << bits;
            }
        }

        return new GroupAffinePart(
            Random(backend, bits, outputs, inputs),
            new HostMatrix(scales.Data, DType.F32, outputs, groups),
            ScalesByGroup: false,
            Random(backend, bits, outputs, groups),
            GroupSize);
    }

    private PackedIntegers Random(CpuBackend backend, int bits, int outputs, int columns)
    {
        var integers = new PackedIntegers(0, bits, IntegerOrder.RowsOfColumns, outputs, columns);
        Tensor memory = backend.Allocate(DType.U8, 1, checked((int)integers.SizeInBytes));
        _random.NextBytes(memory.HostRow<byte>(0));
        return integers with { Words = memory.Data };
    }

    private Tensor Numbers(CpuBackend backend, int rows, int columns)
    {
        Tensor tensor = backend.Allocate(DType.F32, rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in tensor.HostRow<float>(row))
            {
                value = (float)(2 * _random.NextDouble() - 1);
            }
        }

        return tensor;
    }
}
