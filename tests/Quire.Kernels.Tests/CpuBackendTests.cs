using System;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class CpuBackendTests
{
    [Fact]
    public void The_device_names_the_processor_the_tier_the_threads_and_the_memory()
    {
        using var backend = new CpuBackend(new CpuOptions { Threads = 2, TierLimit = InstructionTier.Scalar });
        DeviceInfo device = backend.Device;
        Assert.Equal("cpu", device.Name);
        Assert.EndsWith(", scalar, 2 threads", device.Description, StringComparison.Ordinal);
        Assert.True(device.Description.Length > ", scalar, 2 threads".Length);
        Assert.InRange(device.AvailableMemoryBytes, 1, device.TotalMemoryBytes);
    }

    [Fact]
    public void Threads_default_to_the_physical_cores_of_the_process()
    {
        using var backend = new CpuBackend();
        Assert.Equal(CpuFeatures.Detect().PhysicalCores, backend.Threads);
        Assert.InRange(backend.Threads, 1, Environment.ProcessorCount);
    }

    [Fact]
    public void A_limit_narrows_the_tier_and_never_widens_it()
    {
        Assert.Equal(InstructionTier.Scalar, CpuFeatures.Detect(InstructionTier.Scalar).Tier);
        Assert.Equal(CpuFeatures.Widest, CpuFeatures.Detect(InstructionTier.Vector512).Tier);
        Assert.Equal(CpuFeatures.Widest, CpuFeatures.Detect().Tier);
    }

    [Theory]
    [InlineData("x86-64-v2", InstructionTier.Vector128)]
    [InlineData("x86-64-v3", InstructionTier.Vector256)]
    [InlineData("X86-64-V4", InstructionTier.Vector512)]
    [InlineData(" avx2 ", InstructionTier.Vector256)]
    [InlineData("scalar", InstructionTier.Scalar)]
    public void Tiers_are_read_by_name(string name, InstructionTier expected)
    {
        Assert.True(InstructionTierNames.TryParse(name, out InstructionTier tier));
        Assert.Equal(expected, tier);
    }

    [Theory]
    [InlineData("x86-64-v5")]
    [InlineData("")]
    [InlineData(null)]
    public void Unknown_tiers_are_not_guessed(string? name) => Assert.False(InstructionTierNames.TryParse(name, out _));

    [Fact]
    public void Uploading_as_the_same_type_shares_the_memory_and_another_type_converts()
    {
        using var world = new KernelWorld();
        Tensor source = world.Numbers(3, 17, type: DType.BF16);
        HostMatrix matrix = KernelWorld.Matrix(source);
        Assert.Equal(source.Data, world.Cpu.Upload(matrix, DType.BF16).Data);
        Tensor converted = world.Cpu.Upload(matrix, DType.F32);
        Assert.NotEqual(source.Data, converted.Data);
        world.AssertClose(world.Reference.Upload(matrix, DType.F32), converted, 0);
    }

    [Fact]
    public void Biases_that_do_not_fit_the_outputs_are_refused()
    {
        using var world = new KernelWorld();
        var part = new DensePart(KernelWorld.Matrix(world.Numbers(6, 4)));
        foreach (int length in new[] { 5, 7 })
        {
            HostMatrix bias = KernelWorld.Matrix(world.Numbers(1, length));
            Assert.Throws<ArgumentException>(() => world.Cpu.CreateLinear(new LinearSource("q", [part], [bias])));
        }
    }
}
