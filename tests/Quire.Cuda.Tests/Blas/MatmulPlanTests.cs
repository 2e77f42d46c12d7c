using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Cuda.Blas;
using Quire.Cuda.Device;
using Quire.Cuda.Tests.Device;
using Quire.Cuda.Tests.Support;
using Quire.Tensors;

namespace Quire.Cuda.Tests.Blas;

/// <summary>Products on a real card against plain loops; skipped where there is none.</summary>
public sealed unsafe class MatmulPlanTests
{
    [Theory]
    [InlineData(DType.BF16, DType.BF16, 5, 48, 64, true, false)]
    [InlineData(DType.BF16, DType.F32, 3, 40, 128, false, false)]
    [InlineData(DType.BF16, DType.BF16, 130, 64, 256, false, true)]
    [InlineData(DType.F16, DType.F16, 1, 256, 64, true, true)]
    [InlineData(DType.F32, DType.F32, 17, 24, 32, true, false)]
    public void A_product_is_what_plain_loops_say(DType type, DType output, int rows, int outFeatures, int inFeatures, bool bias, bool accumulates)
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        using var planner = new MatmulPlanner(device, stream, 4 << 20);
        const int Seed = 11;
        var random = new Random(Seed);
        int padding = 16;
        MatmulShape shape = MatmulShape.Of(rows, outFeatures, inFeatures, type) with
        {
            XStride = inFeatures + padding,
            YStride = outFeatures + padding,
            YType = output,
            HasBias = bias,
            Accumulates = accumulates,
        };
        float[] x = Upload(arena, stream, random, type, rows, shape.XStride, out nint xAddress);
        float[] w = Upload(arena, stream, random, type, outFeatures, inFeatures, out nint wAddress);
        float[] b = Upload(arena, stream, random, output, 1, outFeatures, out nint bAddress);
        float[] y = Upload(arena, stream, random, output, rows, shape.YStride, out nint yAddress);
        MatmulPlan plan = planner.Get(shape);
        Assert.Same(plan, planner.Get(shape));
        plan.Run(stream, xAddress, wAddress, yAddress, bias ? bAddress : 0, 0.5f, 2f);
        float[] actual = ToFloats(DeviceTests.ReadBack(device, stream, yAddress, y.Length * output.SizeInBytes()), output);
        double tolerance = output == DType.F32 ? 1e-4 : output == DType.F16 ? 2e-3 : 1e-2;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < shape.YStride; column++)
            {
                double expected = y[row * shape.YStride + column];
                if (column < outFeatures)
                {
                    double sum = 0;
                    for (int k = 0; k < inFeatures; k++)
                    {
                        sum += (double)x[row * shape.XStride + k] * w[column * inFeatures + k];
                    }

                    expected = 0.5 * sum + (bias ? b[column] : 0) + (accumulates ? 2 * expected : 0);
                }

                Assert.True(
                    Math.Abs(actual[row * shape.YStride + column] - expected) <= tolerance * Math.Max(1, Math.Abs(expected)),
                    $"[{row},{column}]: {actual[row * shape.YStride + column]}, expected {expected}, seed {Seed}");
            }
        }
    }

    [Fact]
    public void Eight_bit_products_are_multiplied_by_the_scales_of_their_rows()
    {
        using CudaDevice device = Gpu.Open();
        Assert.SkipUnless(device.ComputeMajor == 9, $"cuBLASLt has no 8-bit floating point products with a scale for each row on {device.Name}");
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        using var planner = new MatmulPlanner(device, stream, 4 << 20);
        const int Rows = 16;
        const int OutFeatures = 32;
        const int InFeatures = 64;
        byte[] codes = [0x00, 0x30, 0x38, 0x40, 0xB8, 0xC0];
        float[] values = [0, 0.5f, 1, 2, -1, -2];
        var random = new Random(3);
        int[] x = [.. Draw(random, Rows * InFeatures, codes.Length)];
        int[] w = [.. Draw(random, OutFeatures * InFeatures, codes.Length)];
        nint xAddress = Upload(arena, stream, Array.ConvertAll(x, i => codes[i]));
        nint wAddress = Upload(arena, stream, Array.ConvertAll(w, i => codes[i]));
        float[] xScales = [.. Enumerable.Range(0, Rows).Select(i => 0.25f * (1 + i % 3))];
        float[] wScales = [.. Enumerable.Range(0, OutFeatures).Select(i => 2f + i % 5)];
        nint xScale = Upload(arena, stream, MemoryMarshal.AsBytes<float>(xScales).ToArray());
        nint wScale = Upload(arena, stream, MemoryMarshal.AsBytes<float>(wScales).ToArray());
        nint y = arena.AllocateBytes(Rows * OutFeatures * 2);
        MatmulShape shape = MatmulShape.Of(Rows, OutFeatures, InFeatures, DType.F8E4M3) with { YType = DType.BF16 };
        planner.Get(shape).Run(stream, xAddress, wAddress, y, xScale: xScale, wScale: wScale);
        float[] actual = ToFloats(DeviceTests.ReadBack(device, stream, y, Rows * OutFeatures * 2), DType.BF16);
        for (int i = 0; i < actual.Length; i++)
        {
            double sum = 0;
            for (int k = 0; k < InFeatures; k++)
            {
                sum += values[x[i / OutFeatures * InFeatures + k]] * values[w[i % OutFeatures * InFeatures + k]];
            }

            double expected = sum * xScales[i / OutFeatures] * wScales[i % OutFeatures];
            Assert.True(Math.Abs(actual[i] - expected) <= 0.01 * Math.Max(1, Math.Abs(expected)), $"{i}: {actual[i]}, expected {expected}");
        }
    }

    [Fact]
    public void A_tuned_product_is_remembered_and_runs_in_a_graph_without_allocation()
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        using var folder = new TemporaryFolder();
        MatmulShape shape = MatmulShape.Of(8, 512, 1024, DType.BF16);
        var random = new Random(5);
        Upload(arena, stream, random, DType.BF16, 8, 1024, out nint x);
        Upload(arena, stream, random, DType.BF16, 512, 1024, out nint first);
        Upload(arena, stream, random, DType.BF16, 512, 1024, out nint second);
        nint y = arena.AllocateBytes(8 * 512 * 2);
        using (var planner = new MatmulPlanner(device, stream, cacheFolder: folder.Path))
        {
            Assert.False(planner.Get(shape).IsTuned);
            MatmulPlan plan = planner.Tune(shape, x, [first, second], y);
            Assert.True(plan.IsTuned);
            Assert.Same(plan, planner.Get(shape));
            plan.Run(stream, x, first, y);
            byte[] direct = DeviceTests.ReadBack(device, stream, y, 8 * 512 * 2);
            stream.Fill(y, 0, 8 * 512 * 2);
            stream.BeginCapture();
            planner.Get(shape).Run(stream, x, first, y);
            using CudaGraph graph = stream.EndCapture();
            graph.Launch(stream);
            Assert.Equal(direct, DeviceTests.ReadBack(device, stream, y, 8 * 512 * 2));

            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                planner.Get(shape).Run(stream, x, first, y);
                graph.Launch(stream);
            }

            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            stream.Synchronize();
        }

        using var again = new MatmulPlanner(device, stream, cacheFolder: folder.Path);
        Assert.True(again.Get(shape).IsTuned);
    }

    private static float[] Upload(DeviceArena arena, CudaStream stream, Random random, DType type, int rows, int columns, out nint address)
    {
        var values = new float[rows * columns];
        byte[] bytes = new byte[values.Length * type.SizeInBytes()];
        for (int i = 0; i < values.Length; i++)
        {
            float value = (float)(random.NextDouble() * 2 - 1);
            Span<byte> target = bytes.AsSpan(i * type.SizeInBytes());
            switch (type)
            {
                case DType.F32:
                    MemoryMarshal.Write(target, value);
                    break;
                case DType.F16:
                    MemoryMarshal.Write(target, FloatConversions.SingleToHalf(value));
                    break;
                default:
                    MemoryMarshal.Write(target, FloatConversions.SingleToBFloat16(value));
                    break;
            }
        }

        address = Upload(arena, stream, bytes);
        return ToFloats(bytes, type);
    }

    private static nint Upload(DeviceArena arena, CudaStream stream, byte[] bytes)
    {
        nint address = arena.AllocateBytes(bytes.Length);
        fixed (byte* source = bytes)
        {
            stream.CopyToDevice(address, (nint)source, bytes.Length);
            stream.Synchronize();
        }

        return address;
    }

    private static IEnumerable<int> Draw(Random random, int count, int below)
    {
        for (int i = 0; i < count; i++)
        {
            yield return random.Next(below);
        }
    }

    private static float[] ToFloats(byte[] bytes, DType type)
    {
        var values = new List<float>();
        for (int i = 0; i < bytes.Length; i += type.SizeInBytes())
        {
            values.Add(type switch
            {
                DType.F32 => BitConverter.ToSingle(bytes, i),
                DType.F16 => FloatConversions.HalfToSingle(BitConverter.ToUInt16(bytes, i)),
                _ => FloatConversions.BFloat16ToSingle(BitConverter.ToUInt16(bytes, i)),
            });
        }

        return [.. values];
    }
}
