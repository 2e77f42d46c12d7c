using Quire.Cuda.Device;

namespace Quire.Cuda.Tests.Device;

public class GpuInfoTests
{
    [Theory]
    [InlineData("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue Sep  2 10:00:00 UTC 2025\nGCC version: gcc 13", "580.159.04")]
    [InlineData("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder@U16)", "570.86.15")]
    [InlineData("something else 1.2.3", null)]
    [InlineData("", null)]
    public void The_drivers_version_is_found_in_what_it_says(string text, string? expected) => Assert.Equal(expected, GpuInfo.VersionIn(text));

    [Fact]
    public void A_card_that_is_not_there_is_none() => Assert.Null(GpuInfo.Find(1000));
}
