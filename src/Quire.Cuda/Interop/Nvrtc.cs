using System.Runtime.InteropServices;
using Quire.Cuda.Device;

namespace Quire.Cuda.Interop;

/// <summary>
/// NVRTC, the run-time compiler of CUDA C++ (NVRTC documentation, <c>nvrtc.h</c>). <see cref="CudaLibraries.RequireNvrtc"/> comes before
/// the first call.
/// </summary>
internal static unsafe partial class Nvrtc
{
    internal const string Library = "nvrtc";
    internal const int Success = 0;

    /// <summary>NVRTC_ERROR_COMPILATION: the log says why.</summary>
    internal const int ErrorCompilation = 6;

    [LibraryImport(Library, EntryPoint = "nvrtcVersion")]
    internal static partial int Version(int* major, int* minor);

    [LibraryImport(Library, EntryPoint = "nvrtcGetErrorString")]
    internal static partial byte* GetErrorString(int result);

    [LibraryImport(Library, EntryPoint = "nvrtcCreateProgram")]
    internal static partial int CreateProgram(nint* program, byte* source, byte* name, int headerCount, byte** headers, byte** includeNames);

    [LibraryImport(Library, EntryPoint = "nvrtcDestroyProgram")]
    internal static partial int DestroyProgram(nint* program);

    [LibraryImport(Library, EntryPoint = "nvrtcCompileProgram")]
    internal static partial int CompileProgram(nint program, int optionCount, byte** options);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLogSize")]
    internal static partial int GetProgramLogSize(nint program, nuint* bytes);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLog")]
    internal static partial int GetProgramLog(nint program, byte* log);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBINSize")]
    internal static partial int GetCubinSize(nint program, nuint* bytes);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBIN")]
    internal static partial int GetCubin(nint program, byte* cubin);

    [LibraryImport(Library, EntryPoint = "nvrtcGetPTXSize")]
    internal static partial int GetPtxSize(nint program, nuint* bytes);

    [LibraryImport(Library, EntryPoint = "nvrtcGetPTX")]
    internal static partial int GetPtx(nint program, byte* ptx);

    internal static void Check(int result, string call)
    {
        if (result != Success)
        {
            string text = Marshal.PtrToStringUTF8((nint)GetErrorString(result)) ?? "unknown error";
            throw new CudaException(call, result, text, "NVRTC could not go on");
        }
    }
}
