using System;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Tests.Interop;

public class ErrorTests
{
    [Fact]
    public void An_error_names_the_call_the_code_and_the_way_out()
    {
        var error = new CudaException("cuMemAlloc", 2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "Free some.");
        Assert.Equal("cuMemAlloc failed: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory. Free some.", error.Message);
        Assert.Equal("cuMemAlloc", error.Call);
        Assert.Equal(2, error.Code);
        Assert.Equal("CUDA_ERROR_OUT_OF_MEMORY", error.ErrorName);
    }

    [Theory]
    [InlineData(34, "stubs")]
    [InlineData(100, "CUDA_VISIBLE_DEVICES")]
    [InlineData(803, "driver update")]
    [InlineData(804, "compat")]
    [InlineData(700, "cannot be used again")]
    [InlineData(209, "kernel cache")]
    [InlineData(222, "NVRTC")]
    [InlineData(900, "captured")]
    public void Errors_that_do_not_explain_themselves_come_with_advice(int code, string word) =>
        Assert.Contains(word, DriverResults.Advice((CuResult)code));

    [Fact]
    public void Errors_of_matrix_products_are_explained()
    {
        var error = Assert.Throws<CudaException>(() => CublasStatus.NotSupported.Check("cublasLtMatmul"));
        Assert.Equal("cublasLtMatmul failed: NotSupported (15): cuBLASLt has no kernel for these types, sizes and alignments.", error.Message);
        CublasStatus.Success.Check("cublasLtMatmul");
    }

    [Fact]
    public void A_full_device_says_what_is_needed_and_what_is_there() => Assert.StartsWith(
        "cuda:0 Card has not enough memory: 1024.5 MiB are needed, 10.0 MiB of 2048.0 MiB are free.",
        DeviceArena.OutOfMemoryText("cuda:0 Card", 1049088L << 10, 10L << 20, 2L << 30));

    [Theory]
    [InlineData(0, 256)]
    [InlineData(1, 256)]
    [InlineData(256, 256)]
    [InlineData(257, 512)]
    [InlineData(3L << 40, 3L << 40)]
    public void Pieces_of_memory_are_whole_multiples_of_the_alignment(long bytes, long size) => Assert.Equal(size, DeviceArena.RoundUp(bytes));

    [Fact]
    public void A_size_beyond_all_memory_is_an_error_and_not_a_small_piece() => Assert.Throws<OverflowException>(() => DeviceArena.RoundUp(long.MaxValue));

    [Fact]
    public void The_probe_answers_on_every_machine_and_opening_agrees()
    {
        bool found = CudaProbe.TryFind(out string reason);
        Assert.NotEmpty(reason);
        if (found)
        {
            using var device = CudaDevice.Open(0);
            Assert.Contains(device.Name, reason);
        }
        else
        {
            Exception error = Assert.ThrowsAny<Exception>(() => CudaDevice.Open(0));
            Assert.True(error is CudaUnavailableException or CudaException, error.ToString());
        }

        Assert.False(CudaProbe.TryFind(1000, out reason));
        Assert.NotEmpty(reason);
        Assert.False(CudaProbe.TryFind(-1, out _));
    }
}
