using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Quire.Cuda.Interop;

/// <summary>CUtensorMap: what the copy engine of Hopper needs to know of a tensor. Opaque, 128 bytes, passed to kernels by value.</summary>
[InlineArray(16)]
internal struct TensorMap
{
    private ulong _first;
}

/// <summary>Makes tensor maps (cuTensorMapEncodeTiled of the driver API).</summary>
internal static unsafe partial class TensorMaps
{
    private const int Float16 = 6;
    private const int BFloat16 = 9;
    private const int NoInterleave = 0;
    private const int Swizzle128 = 3;
    private const int PromoteTo128 = 2;
    private const int FillZero = 0;

    /// <summary>
    /// Rows of 16-bit elements, copied in boxes of 64 elements by <paramref name="boxRows"/> rows to the layout that
    /// warpgroup instructions read: 128 bytes a row, swizzled.
    /// </summary>
    /// <param name="address">A multiple of 16.</param>
    /// <param name="isBFloat16">False for F16.</param>
    /// <param name="columns">Elements of a row; what a box has beyond them reads as zeroes.</param>
    /// <param name="rows">Rows; what a box has beyond them reads as zeroes.</param>
    /// <param name="stride">Elements from one row to the next, a multiple of 8.</param>
    /// <param name="boxRows">Rows of a box, at most 256.</param>
    public static TensorMap Rows16(nint address, bool isBFloat16, int columns, long rows, int stride, int boxRows)
    {
        ulong* dimensions = stackalloc ulong[2] { (ulong)columns, (ulong)rows };
        ulong* strides = stackalloc ulong[1] { (ulong)stride * 2 };
        uint* box = stackalloc uint[2] { 64, (uint)boxRows };
        uint* steps = stackalloc uint[2] { 1, 1 };

        // The driver writes to an address that is a multiple of 64.
        byte* memory = stackalloc byte[128 + 64];
        var map = (TensorMap*)(((nint)memory + 63) & ~63);
        EncodeTiled(
            map, isBFloat16 ? BFloat16 : Float16, 2, address, dimensions, strides, box, steps, NoInterleave, Swizzle128, PromoteTo128, FillZero)
            .Check("cuTensorMapEncodeTiled");
        return *map;
    }

    [LibraryImport(CudaDriver.Library, EntryPoint = "cuTensorMapEncodeTiled")]
    private static partial CuResult EncodeTiled(
        TensorMap* map, int type, uint rank, nint address, ulong* dimensions, ulong* strides, uint* box, uint* steps, int interleave, int swizzle, int promotion, int fill);
}
