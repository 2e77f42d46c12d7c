using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Tests.Interop;

/// <summary>Structures and functions have to be what the C headers say; nothing else checks that.</summary>
public unsafe class LayoutTests
{
    [Fact]
    public void A_launch_configuration_has_the_layout_of_the_driver()
    {
        CuLaunchConfig value = default;
        byte* start = (byte*)&value;
        Assert.Equal(56, sizeof(CuLaunchConfig));
        Assert.Equal(0, (byte*)&value.GridDimX - start);
        Assert.Equal(12, (byte*)&value.BlockDimX - start);
        Assert.Equal(24, (byte*)&value.SharedMemBytes - start);
        Assert.Equal(32, (byte*)&value.Stream - start);
        Assert.Equal(40, (byte*)&value.Attributes - start);
        Assert.Equal(48, (byte*)&value.AttributeCount - start);
    }

    [Fact]
    public void A_launch_attribute_has_the_layout_of_the_driver()
    {
        CuLaunchAttribute value = default;
        byte* start = (byte*)&value;
        Assert.Equal(72, sizeof(CuLaunchAttribute));
        Assert.Equal(0, (byte*)&value.Id - start);
        Assert.Equal(8, (byte*)&value.ProgrammaticStreamSerializationAllowed - start);
        Assert.Equal(8, (byte*)&value.ClusterX - start);
        Assert.Equal(12, (byte*)&value.ClusterY - start);
        Assert.Equal(16, (byte*)&value.ClusterZ - start);
        Assert.Equal(6, (int)LaunchAttributeId.ProgrammaticStreamSerialization);
    }

    [Fact]
    public void A_heuristic_result_has_the_layout_of_cublasLt()
    {
        MatmulHeuristicResult value = default;
        byte* start = (byte*)&value;
        Assert.Equal(64, sizeof(MatmulAlgo));
        Assert.Equal(MatmulAlgo.SizeInBytes, sizeof(MatmulAlgo));
        Assert.Equal(96, sizeof(MatmulHeuristicResult));
        Assert.Equal(64, (byte*)&value.WorkspaceBytes - start);
        Assert.Equal(72, (byte*)&value.State - start);
        Assert.Equal(76, (byte*)&value.WavesCount - start);
        Assert.Equal(80, (byte*)value.Reserved - start);
    }

    [Fact]
    public void The_driver_exports_every_function_that_is_declared()
    {
        Assert.SkipUnless(CudaProbe.TryFind(out string reason), reason);
        Assert.Empty(Functions(typeof(CudaDriver)).Where(name => name != "cuFuncGetParamInfo" && !CudaLibraries.DriverHas(name)));
    }

    [Fact]
    public void Declared_functions_have_the_names_of_their_library()
    {
        Assert.All(Functions(typeof(CudaDriver)), name => Assert.StartsWith("cu", name));
        Assert.All(Functions(typeof(Nvrtc)), name => Assert.StartsWith("nvrtc", name));
        Assert.All(Functions(typeof(CublasLt)), name => Assert.StartsWith("cublasLt", name));

        // The names without _v2 of these have 32-bit sizes or other meanings.
        string[] second =
        [
            "cuDeviceTotalMem_v2", "cuMemGetInfo_v2", "cuMemAlloc_v2", "cuMemFree_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
            "cuMemcpyDtoDAsync_v2", "cuStreamDestroy_v2", "cuEventDestroy_v2", "cuStreamBeginCapture_v2", "cuDevicePrimaryCtxRelease_v2",
            "cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2",
        ];
        Assert.Empty(second.Except(Functions(typeof(CudaDriver))));
    }

    private static string[] Functions(System.Type library) =>
        [.. library.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly)
            .Select(method => method.GetCustomAttribute<DllImportAttribute>()?.EntryPoint ?? method.GetCustomAttribute<LibraryImportAttribute>()?.EntryPoint)
            .OfType<string>()];
}
