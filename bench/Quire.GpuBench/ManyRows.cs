using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.GpuBench;

/// <summary>Products of so many rows that the definition is computed for some of them only: the first and last of tiles, and random ones.</summary>
internal static class ManyRows
{
    public static void Add(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        // More tiles than fit at a time, the last ones not full, and depths below, at and beyond what is under way at a time.
        foreach ((int rows, int inner, int outer) in new[] { (1030, 72, 1624), (2300, 520, 1784), (1280, 2048, 3200) })
        {
            foreach (Activation activation in new[] { Activation.Silu, Activation.GeluTanh })
            {
                checks.Add(($"product and gate {rows}x{inner}x{outer} {activation}", w => Gate(w, rows, inner, outer, activation), 4e-3));
            }
        }
    }

    private static double Gate(TwinWorld world, int rows, int inner, int outer, Activation activation)
    {
        Twin x = world.Numbers(rows, inner);
        Twin gateUp = world.Output(rows, 2 * outer);
        Twin y = world.Output(rows, outer);
        (LinearWeight host, LinearWeight device) = OperationChecks.Weight(world, 2 * outer, inner, false);
        world.Cuda.Ops.Linear(x.Device, device, gateUp.Device);
        world.Cuda.Ops.GatedActivation(activation, gateUp.Device, y.Device);

        int[] some = [0, 63, 64, 127, 128, 255, 256, rows - 1, world.Random.Next(rows), world.Random.Next(rows)];
        Tensor inputs = world.Allocate(DType.BF16, some.Length, inner);
        Tensor products = world.Allocate(DType.F32, some.Length, 2 * outer);
        Tensor expected = world.Allocate(DType.F32, some.Length, outer);
        for (int i = 0; i < some.Length; i++)
        {
            for (int column = 0; column < inner; column++)
            {
                Elements.Store(inputs, i, column, Elements.Load(x.Host, some[i], column));
            }
        }

        world.Reference.Linear(inputs, host, products);
        world.Reference.GatedActivation(activation, products, expected);
        return some.Select((row, i) => world.Difference(y.Device.RowRange(row, 1), expected.RowRange(i, 1))).Max();
    }
}
