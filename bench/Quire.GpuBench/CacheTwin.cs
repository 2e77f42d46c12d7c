using System;
using System.Collections.Generic;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.GpuBench;

/// <summary>One layer of a KV cache on both sides with the same contents; what no token has been written to would show in a result.</summary>
internal sealed unsafe class CacheTwin
{
    private const float KeyScale = 0.008f; // some numbers are beyond 448 times this
    private const float ValueScale = 0.02f;

    public required KvCacheLayer Host { get; init; }

    public required KvCacheLayer Device { get; init; }

    /// <summary>Elements; NaN where no token is.</summary>
    public static CacheTwin Plain(TwinWorld world, KvCacheShape shape, bool[] used)
    {
        int rows = shape.Blocks * shape.KvHeads * shape.BlockSize;
        Twin keys = world.Numbers(rows, shape.HeadDim, shape.Type);
        Twin values = world.Numbers(rows, shape.HeadDim, shape.Type);
        foreach (Twin side in new[] { keys, values })
        {
            for (int row = 0; row < rows; row++)
            {
                for (int d = 0; !IsUsed(shape, used, row) && d < shape.HeadDim; d++)
                {
                    Elements.Store(side.Host, row, d, float.NaN);
                }
            }
        }

        return new CacheTwin
        {
            Host = new KvCacheLayer(keys.Host.Data, values.Host.Data, shape),
            Device = new KvCacheLayer(world.Upload(keys.Host).Data, world.Upload(values.Host).Data, shape),
        };
    }

    /// <summary>Codes as the definition makes them; elsewhere the code of NaN, and scales that are NaN.</summary>
    public static CacheTwin Quantized(TwinWorld world, KvCacheShape shape, bool[] used)
    {
        int rows = shape.Blocks * shape.KvHeads * shape.BlockSize;
        Tensor Side(out Tensor scales, float scale)
        {
            Tensor codes = world.Allocate(DType.U8, rows, shape.HeadDim);
            scales = world.Allocate(DType.F32, rows, 1);
            Tensor numbers = world.AsFloat(world.Numbers(rows, shape.HeadDim).Host);
            for (int row = 0; row < rows; row++)
            {
                if (IsUsed(shape, used, row))
                {
                    KvQuantization.Store(numbers.HostRow<float>(row), shape.Type, codes.Data, (long)row * shape.HeadDim, scales.Data, scale);
                }
                else
                {
                    codes.HostRow<byte>(row).Fill(0x7f);
                    Elements.Store(scales, row, 0, float.NaN);
                }
            }

            return codes;
        }

        float keyScale = shape.HasScales ? 1 : KeyScale;
        float valueScale = shape.HasScales ? 1 : ValueScale;
        Tensor keys = Side(out Tensor keyScales, keyScale);
        Tensor values = Side(out Tensor valueScales, valueScale);
        return new CacheTwin
        {
            Host = new KvCacheLayer(keys.Data, values.Data, shape)
            {
                KeyScales = keyScales.Data,
                ValueScales = valueScales.Data,
                KeyScale = keyScale,
                ValueScale = valueScale,
            },
            Device = new KvCacheLayer(world.Upload(keys).Data, world.Upload(values).Data, shape)
            {
                KeyScales = world.Upload(keyScales).Data,
                ValueScales = world.Upload(valueScales).Data,
                KeyScale = keyScale,
                ValueScale = valueScale,
            },
        };
    }

    /// <summary>
    /// Copies a block to the last one on both sides, and compares all codes and scales. Rotated keys may differ in their last bit, so that a
    /// code may be the next one where it was between two.
    /// </summary>
    /// <returns>0, or 1 where they differ; what differs is printed.</returns>
    public double CompareCodes(TwinWorld world, bool[] used, int copied)
    {
        KvCacheShape shape = Host.Shape;
        int last = shape.Blocks - 1;
        int[] pair = [copied, last];
        fixed (int* data = pair)
        {
            world.Reference.CopyBlocks(new KvCache(shape, [Host]), new Tensor((nint)data, DType.I32, 1, 2));
            world.Cuda.Ops.CopyBlocks(new KvCache(shape, [Device]), new Tensor((nint)data, DType.I32, 1, 2));
        }

        Array.Copy(used, copied * shape.BlockSize, used, last * shape.BlockSize, shape.BlockSize);
        var problems = new List<string>();
        Compare(world, used, "keys", Host.Keys, Device.Keys, Host.KeyScales, Device.KeyScales, problems);
        Compare(world, used, "values", Host.Values, Device.Values, Host.ValueScales, Device.ValueScales, problems);
        foreach (string problem in problems)
        {
            Console.WriteLine($"  {problem}");
        }

        return problems.Count > 0 ? 1 : 0;
    }

    private void Compare(TwinWorld world, bool[] used, string name, nint host, nint device, nint hostScales, nint deviceScales, List<string> problems)
    {
        KvCacheShape shape = Host.Shape;
        int rows = shape.Blocks * shape.KvHeads * shape.BlockSize;
        var codes = new byte[rows * shape.HeadDim];
        var scales = new byte[rows * sizeof(float)];
        world.Cuda.Download(new Tensor(device, DType.U8, rows, shape.HeadDim), codes);
        if (shape.HasScales)
        {
            world.Cuda.Download(new Tensor(deviceScales, DType.F32, rows, 1), scales);
        }

        int near = 0;
        int compared = 0;
        for (int row = 0; row < rows; row++)
        {
            if (!IsUsed(shape, used, row))
            {
                continue;
            }

            compared += shape.HeadDim;
            for (int d = 0; d < shape.HeadDim; d++)
            {
                byte expected = ((byte*)host)[(long)row * shape.HeadDim + d];
                byte actual = codes[row * shape.HeadDim + d];
                int distance = Math.Abs((sbyte)expected - (sbyte)actual);
                near += distance == 1 ? 1 : 0;
                if (distance > 1 && problems.Count < 3)
                {
                    problems.Add($"{name}: row {row} ({(row % shape.BlockSize)} of head {row / shape.BlockSize % shape.KvHeads} of block {row / shape.BlockSize / shape.KvHeads}), element {d} is 0x{actual:x2}, not 0x{expected:x2}");
                }
            }

            float scale = shape.HasScales ? BitConverter.ToSingle(scales, row * sizeof(float)) : 0;
            float wanted = shape.HasScales ? ((float*)hostScales)[row] : 0;
            if (!(MathF.Abs(scale - wanted) <= 1e-6f * wanted) && problems.Count < 6)
            {
                problems.Add($"{name}: the scale of row {row} is {scale}, not {wanted}");
            }
        }

        if (near > 1 + compared / 1000)
        {
            problems.Add($"{name}: {near} of {compared} codes are the next one");
        }
    }

    private static bool IsUsed(KvCacheShape shape, bool[] used, int row) => used[row / (shape.KvHeads * shape.BlockSize) * shape.BlockSize + row % shape.BlockSize];
}
