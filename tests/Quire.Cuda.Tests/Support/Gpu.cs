using Quire.Cuda.Device;

namespace Quire.Cuda.Tests.Support;

/// <summary>The card that tests run on, when there is one.</summary>
internal static class Gpu
{
    /// <summary>Opens the first card, or skips the test and says why.</summary>
    public static CudaDevice Open()
    {
        Assert.SkipUnless(CudaProbe.TryFind(out string reason), reason);
        return CudaDevice.Open(0);
    }
}
