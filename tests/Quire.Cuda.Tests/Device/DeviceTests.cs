using System;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;
using Quire.Cuda.Tests.Support;
using Quire.Tensors;

namespace Quire.Cuda.Tests.Device;

/// <summary>Memory, streams, events, graphs and kernels on a real card; skipped where there is none.</summary>
public unsafe class DeviceTests
{
    [Fact]
    public void A_device_knows_itself()
    {
        using CudaDevice device = Gpu.Open();
        Assert.NotEmpty(device.Name);
        Assert.InRange(device.ComputeMajor, CudaProbe.MinimumComputeMajor, 99);
        Assert.True(device.MultiprocessorCount > 0 && device.L2CacheBytes > 0);
        Assert.True(device.SharedMemoryPerBlockOptIn >= 48 << 10);
        Assert.True(device.DriverVersion.Major >= 11);
        device.GetMemoryInfo(out long free, out long total);
        Assert.InRange(free, 1, total);
        Assert.InRange(total, 1, device.TotalMemory);
        Assert.Throws<CudaUnavailableException>(() => CudaDevice.Open(1000));
    }

    [Fact]
    public void Memory_of_a_device_is_zeroed_aligned_and_counted()
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        foreach (int rows in new[] { 0, 1, 3, 1000, 500_000 })
        {
            Tensor tensor = arena.Allocate(DType.F32, rows, 7);
            Assert.Equal(0, tensor.Data % 256);
            byte[] bytes = ReadBack(device, stream, tensor.Data, rows * 28);
            Assert.Equal(-1, bytes.AsSpan().IndexOfAnyExcept((byte)0));
            stream.Fill(tensor.Data, 0xA5, rows * 28);
        }

        Assert.Equal((1 + 3 + 1000 + 500_000) * 28L, arena.AllocatedBytes);
        Assert.True(arena.ReservedBytes >= arena.AllocatedBytes);
        stream.Synchronize();
    }

    [Fact]
    public void A_request_beyond_the_card_says_what_is_free()
    {
        using CudaDevice device = Gpu.Open();
        using var arena = new DeviceArena(device);
        var error = Assert.ThrowsAny<OutOfMemoryException>(() => arena.AllocateBytes(device.TotalMemory + (1L << 30)));
        Assert.Contains("are free", error.Message);
        Assert.NotEqual(0, arena.AllocateBytes(1));
    }

    [Fact]
    public void Copies_and_fills_arrive_in_order()
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        using var pinned = new PinnedMemory(device, 4096);
        Assert.Equal(-1, pinned.Span.IndexOfAnyExcept((byte)0));
        new Random(7).NextBytes(pinned.Span);
        byte[] expected = pinned.Span.ToArray();
        nint first = arena.AllocateBytes(4096);
        nint second = arena.AllocateBytes(4096);
        stream.CopyToDevice(first, pinned.Address, 4096);
        stream.CopyOnDevice(second, first, 4096);
        stream.Fill(second, 9, 16);
        stream.Fill32(second + 16, 0x01020304, 4);
        expected.AsSpan(0, 16).Fill(9);
        MemoryMarshal.Cast<byte, uint>(expected.AsSpan(16, 16)).Fill(0x01020304);
        Assert.Equal(expected, ReadBack(device, stream, second, 4096));
    }

    [Fact]
    public void An_event_tells_when_and_how_long()
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var other = new CudaStream(device);
        using var arena = new DeviceArena(device);
        using var start = new CudaEvent(device, timing: true);
        using var end = new CudaEvent(device, timing: true);
        nint memory = arena.AllocateBytes(64 << 20);
        stream.Record(start);
        stream.Fill(memory, 1, 64 << 20);
        stream.Record(end);
        other.Wait(end);
        byte[] last = ReadBack(device, other, memory + (64 << 20) - 1, 1);
        Assert.Equal([1], last);
        end.Synchronize();
        Assert.True(end.IsDone);
        Assert.True(stream.IsIdle);
        Assert.True(end.ElapsedMilliseconds(start) > 0);
    }

    [Fact]
    public void A_captured_graph_repeats_its_work()
    {
        using CudaDevice device = Gpu.Open();
        using var stream = new CudaStream(device);
        using var arena = new DeviceArena(device);
        nint from = arena.AllocateBytes(64);
        nint to = arena.AllocateBytes(64);
        stream.BeginCapture();
        Assert.True(stream.IsCapturing);
        stream.CopyOnDevice(to, from, 64);
        using CudaGraph graph = stream.EndCapture();
        Assert.False(stream.IsCapturing);
        Assert.Equal(0, ReadBack(device, stream, to, 64)[0]);
        for (byte value = 1; value < 4; value++)
        {
            stream.Fill(from, value, 64);
            graph.Launch(stream);
            Assert.All(ReadBack(device, stream, to, 64), actual => Assert.Equal(value, actual));
        }

        stream.BeginCapture();
        stream.Fill(to, 99, 64);
        stream.CancelCapture();
        stream.CancelCapture();
        Assert.Equal(3, ReadBack(device, stream, to, 64)[0]);
    }

    [Fact]
    public void Kernels_compile_launch_and_refuse_arguments_of_another_size()
    {
        using CudaDevice device = Gpu.Open();
        using var folder = new TemporaryFolder();
        var compiler = new KernelCompiler(device, new KernelCacheOptions { Folder = folder.Path });
        using KernelModule module = compiler.Compile("elementwise.cu");
        CudaKernel embed = module.Get("embed");
        Assert.True(embed.Registers > 0 && embed.MaxThreads > 0);
        Assert.True(embed.BlocksPerMultiprocessor(128, 0) > 0);
        Assert.Equal(sizeof(EmbedArguments), embed.ArgumentBytes ?? sizeof(EmbedArguments));
        using var stream = new CudaStream(device);
        if (embed.ArgumentBytes is not null)
        {
            Assert.Throws<ArgumentException>(() => embed.Launch(stream, new LaunchConfig(1, 32), 1));
        }

        Assert.Throws<CudaException>(() => module.Get("no_such_kernel"));
        using var arena = new DeviceArena(device);
        Tensor table = arena.Allocate(DType.BF16, 4, 8);
        Tensor y = arena.Allocate(DType.BF16, 2, 8);
        Tensor ids = arena.Allocate(DType.I32, 1, 2);
        ushort[] values = [.. Enumerable.Range(0, 32).Select(i => FloatConversions.SingleToBFloat16(i))];
        int[] tokens = [3, 1];
        fixed (ushort* source = values)
        fixed (int* token = tokens)
        {
            stream.CopyToDevice(table.Data, (nint)source, 64);
            stream.CopyToDevice(ids.Data, (nint)token, 8);
            stream.Synchronize();
        }

        var arguments = new EmbedArguments { Ids = ids.Data, Table = table.Data, Y = y.Data, Columns = 8, TableStride = 8, YStride = 8, TableRows = 4, Scale = 2 };
        var config = new LaunchConfig(2, 32) { Overlap = device.ComputeMajor >= 9 };
        embed.Launch(stream, config, arguments);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            embed.Launch(stream, config, arguments);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        ushort[] result = MemoryMarshal.Cast<byte, ushort>(ReadBack(device, stream, y.Data, 32)).ToArray();
        Assert.Equal([.. Enumerable.Range(24, 8).Concat(Enumerable.Range(8, 8)).Select(i => FloatConversions.SingleToBFloat16(2 * i))], result);
    }

    [Fact]
    public void What_was_disposed_refuses_work()
    {
        using CudaDevice device = Gpu.Open();
        var stream = new CudaStream(device);
        stream.Dispose();
        stream.Dispose();
        Assert.Throws<ObjectDisposedException>(stream.Synchronize);
    }

    internal static byte[] ReadBack(CudaDevice device, CudaStream stream, nint address, int bytes)
    {
        using var pinned = new PinnedMemory(device, bytes);
        stream.CopyToHost(pinned.Address, address, bytes);
        stream.Synchronize();
        return pinned.Span.ToArray();
    }
}
