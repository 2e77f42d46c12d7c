using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.GpuBench;

/// <summary>Products with weights of 8 and 4 bits against their definition: few rows, many rows, and what is joined with them.</summary>
internal static unsafe class PackedProducts
{
    public static void Add(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        foreach ((int rows, int inner, int outer) in new[] { (1, 384, 640), (3, 1040, 512), (8, 2048, 3072), (16, 768, 528), (30, 512, 1024), (70, 1376, 256) })
        {
            foreach ((string name, Func<TwinWorld, int, int, QuantizedPart> make) in Formats())
            {
                // FP8 of many rows rounds x too, as the part says; few rows do not.
                bool rounds = name.StartsWith("fp8", StringComparison.Ordinal);
                checks.Add(($"{name} {rows}x{inner}x{outer}", world => Sequence(world, make, rows, inner, outer), rounds ? 0.06 : 1.2e-2));
                checks.Add(($"{name} logits {rows}x{inner}x{outer}", world =>
                {
                    Twin x = world.Numbers(rows, inner);
                    Twin y = world.Output(rows, outer, DType.F32);
                    (LinearWeight host, LinearWeight device) = Weight(world, make, outer, inner, parts: 1);
                    world.Reference.Linear(x.Host, host, y.Host);
                    world.Cuda.Ops.Linear(x.Device, device, y.Device);
                    return world.Difference(y);
                }, rounds ? 0.04 : 4e-3));
            }
        }
    }

    private static IEnumerable<(string Name, Func<TwinWorld, int, int, QuantizedPart> Make)> Formats()
    {
        yield return ("fp8", (world, outer, inner) => Float8(world, outer, inner, new ActivationQuantization(ActivationFormat.Float8)));
        yield return ("fp8 static", (world, outer, inner) => Float8(world, outer, inner, new ActivationQuantization(ActivationFormat.Float8, 0.05f)));
        yield return ("fp8 weights", (world, outer, inner) => Float8(world, outer, inner, null));
        yield return ("int8 by channel", (world, outer, inner) => Integers(world, outer, inner, 8, inner, zeros: false));
        yield return ("int8 groups of 128", (world, outer, inner) => Integers(world, outer, inner, 8, 128, zeros: true));
        yield return ("int8 groups of 32", (world, outer, inner) => Integers(world, outer, inner, 8, 32, zeros: false));
        yield return ("int4 groups of 128", (world, outer, inner) => Integers(world, outer, inner, 4, 128, zeros: true));
        yield return ("int4 groups of 32", (world, outer, inner) => Integers(world, outer, inner, 4, 32, zeros: true));
        yield return ("int4 groups of 48", (world, outer, inner) => Integers(world, outer, inner, 4, 48, zeros: false));
    }

    /// <summary>Norm, product, gate, product with the residual: everything that may be joined.</summary>
    private static double Sequence(TwinWorld world, Func<TwinWorld, int, int, QuantizedPart> make, int rows, int inner, int outer)
    {
        Twin residual = world.Numbers(rows, inner);
        Twin norm = world.Numbers(1, inner);
        Twin normed = world.Output(rows, inner);
        Twin gateUp = world.Output(rows, 2 * outer);
        Twin activated = world.Output(rows, outer);
        (LinearWeight hostIn, LinearWeight deviceIn) = Weight(world, make, 2 * outer, inner, parts: 2);
        (LinearWeight hostOut, LinearWeight deviceOut) = Weight(world, make, inner, outer, parts: 1);
        void Run(ITensorOps ops, Func<Twin, Tensor> side, LinearWeight a, LinearWeight b)
        {
            ops.RmsNorm(side(residual), side(norm), 1e-5f, 0, side(normed));
            ops.Linear(side(normed), a, side(gateUp));
            ops.GatedActivation(Activation.Silu, side(gateUp), side(activated));
            ops.Linear(side(activated), b, side(normed));
            ops.Release(side(activated));
            ops.AddRmsNorm(side(normed), side(residual), side(norm), 1e-5f, 0, side(normed));
        }

        Run(world.Reference, twin => twin.Host, hostIn, hostOut);
        Run(world.Cuda.Ops, twin => twin.Device, deviceIn, deviceOut);
        return Math.Max(world.Difference(normed), world.Difference(residual));
    }

    private static (LinearWeight Host, LinearWeight Device) Weight(
        TwinWorld world, Func<TwinWorld, int, int, QuantizedPart> make, int outer, int inner, int parts)
    {
        HostMatrix bias = OperationChecks.Matrix(world.Numbers(1, outer, scale: 0.1).Host);
        var source = new LinearSource("weight", [.. Enumerable.Range(0, parts).Select(_ => make(world, outer / parts, inner))], [bias]);
        return (world.ReferenceBackend.CreateLinear(source), world.Cuda.CreateLinear(source));
    }

    private static Float8Part Float8(TwinWorld world, int outer, int inner, ActivationQuantization? rounding)
    {
        Tensor values = world.Allocate(DType.F8E4M3, outer, inner);
        foreach (ref byte value in new Span<byte>((byte*)values.Data, outer * inner))
        {
            // Every number but NaN, subnormal ones too.
            value = (byte)world.Random.Next(256);
            value = (value & 0x7f) == 0x7f ? (byte)0 : value;
        }

        Tensor scales = world.Allocate(DType.F32, outer, 1);
        for (int i = 0; i < outer; i++)
        {
            Elements.Store(scales, i, 0, (float)(0.5 + world.Random.NextDouble()) / (100 * MathF.Sqrt(inner)));
        }

        return new Float8Part(OperationChecks.Matrix(values), OperationChecks.Matrix(scales), 1, inner, rounding);
    }

    private static GroupAffinePart Integers(TwinWorld world, int outer, int inner, int bits, int group, bool zeros)
    {
        int words = inner * bits / 32;
        Tensor values = world.Allocate(DType.I32, outer, words);
        foreach (ref uint value in new Span<uint>((uint*)values.Data, outer * words))
        {
            value = (uint)world.Random.NextInt64(1L << 32);
        }

        int groups = (inner + group - 1) / group;
        Tensor scales = world.Allocate(DType.F32, outer, groups);
        Tensor points = world.Allocate(DType.U8, outer, groups);
        for (int i = 0; i < outer; i++)
        {
            for (int g = 0; g < groups; g++)
            {
                Elements.Store(scales, i, g, (float)(0.5 + world.Random.NextDouble()) / ((1 << (bits - 1)) * MathF.Sqrt(inner)));
                points.HostRow<byte>(i)[g] = (byte)world.Random.Next((1 << bits) / 4, (1 << bits) * 3 / 4);
            }
        }

        return new GroupAffinePart(
            new PackedIntegers(values.Data, bits, IntegerOrder.RowsOfColumns, outer, inner),
            OperationChecks.Matrix(scales),
            ScalesByGroup: false,
            zeros ? new PackedIntegers(points.Data, 8, IntegerOrder.Bytes, outer, groups) : null,
            group);
    }
}
