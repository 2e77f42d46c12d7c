using System;
using Quire.Cuda;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.GpuBench;

/// <summary>The same tensor on the host, for the reference, and on the device.</summary>
internal sealed record Twin(Tensor Host, Tensor Device);

/// <summary>Makes twins with random contents and compares them after an operation has run on both sides.</summary>
internal sealed unsafe class TwinWorld(CudaBackend cuda, int seed) : IDisposable
{
    private readonly HostMemory _memory = new();

    public CudaBackend Cuda { get; } = cuda;

    public ReferenceBackend ReferenceBackend { get; } = new();

    public ITensorOps Reference => ReferenceBackend.Ops;

    public Random Random { get; } = new(seed);

    /// <summary>Random numbers of a normal distribution, rounded to the type, the same on both sides.</summary>
    public Twin Numbers(int rows, int columns, DType type = DType.BF16, double scale = 1)
    {
        Tensor host = _memory.Allocate(type, rows, columns);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double normal = Math.Sqrt(-2 * Math.Log(1 - Random.NextDouble())) * Math.Cos(2 * Math.PI * Random.NextDouble());
                Elements.Store(host, row, column, (float)(scale * normal));
            }
        }

        return new Twin(host, Upload(host));
    }

    /// <summary>A tensor of the host as F32.</summary>
    public Tensor AsFloat(Tensor host)
    {
        Tensor wide = _memory.Allocate(DType.F32, host.Rows, host.Columns);
        for (int row = 0; row < host.Rows; row++)
        {
            for (int column = 0; column < host.Columns; column++)
            {
                Elements.Store(wide, row, column, Elements.Load(host, row, column));
            }
        }

        return wide;
    }

    /// <summary>Memory on the host, zero.</summary>
    public Tensor Allocate(DType type, int rows, int columns) => _memory.Allocate(type, rows, columns);

    public Twin Integers(params int[] values) => Integers(1, values);

    public Twin Integers(int rows, int[] values)
    {
        Tensor host = _memory.Allocate(DType.I32, rows, values.Length / rows);
        values.CopyTo(new Span<int>((int*)host.Data, values.Length));
        return new Twin(host, Upload(host));
    }

    /// <summary>An output: NaN everywhere on the device, so that what is not written shows.</summary>
    public Twin Output(int rows, int columns, DType type = DType.BF16)
    {
        Tensor host = _memory.Allocate(type, rows, columns);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                Elements.Store(host, row, column, float.NaN);
            }
        }

        return new Twin(host, Upload(host));
    }

    public Tensor Upload(Tensor host) => Cuda.Upload(new HostMatrix(host.Data, host.Type, host.Rows, host.Columns), host.Type);

    /// <summary>‖device − host‖ / ‖host‖; NaN when anything on the device is not a number.</summary>
    public double Difference(Twin twin) => Difference(twin.Device, twin.Host);

    /// <summary>The same for any two tensors of one shape.</summary>
    public double Difference(Tensor device, Tensor host)
    {
        Tensor copy = _memory.Allocate(device.Type, host.Rows, host.Columns);
        Cuda.Download(device, new Span<byte>((byte*)copy.Data, host.Rows * host.Columns * device.Type.SizeInBytes()));
        double difference = 0;
        double norm = 0;
        for (int row = 0; row < host.Rows; row++)
        {
            for (int column = 0; column < host.Columns; column++)
            {
                double expected = Elements.Load(host, row, column);
                double actual = Elements.Load(copy, row, column);
                difference += (actual - expected) * (actual - expected);
                norm += expected * expected;
            }
        }

        return Math.Sqrt(difference / Math.Max(norm, 1e-30));
    }

    public void Dispose() => _memory.Dispose();
}
