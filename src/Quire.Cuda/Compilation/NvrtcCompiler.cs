using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Compilation;

/// <summary>A kernel's source does not compile; the message holds the compiler's log.</summary>
public sealed class KernelCompilationException : Exception
{
    public KernelCompilationException(string source, string options, string log)
        : base($"{source} does not compile ({options}):\n{log}")
    {
        Log = log;
    }

    /// <summary>What the compiler wrote.</summary>
    public string Log { get; }
}

/// <summary>NVRTC, loaded when it is first needed.</summary>
/// <param name="log">Is told the compiler's warnings.</param>
internal sealed unsafe class NvrtcCompiler(Action<string>? log) : ICubinCompiler
{
    public string? Version
    {
        get
        {
            if (!CudaLibraries.HasNvrtc())
            {
                return null;
            }

            int major = 0;
            int minor = 0;
            return Nvrtc.Version(&major, &minor) == Nvrtc.Success ? $"NVRTC {major}.{minor}" : null;
        }
    }

    public byte[] Compile(string name, KernelSources sources, IReadOnlyList<string> options)
    {
        CudaLibraries.RequireNvrtc();
        using var text = new NativeStrings([sources[name], name]);
        using var headers = new NativeStrings(sources.Headers.Select(header => header.Value));
        using var headerNames = new NativeStrings(sources.Headers.Select(header => header.Key));
        using var arguments = new NativeStrings(options);
        nint program = 0;
        Nvrtc.Check(
            Nvrtc.CreateProgram(&program, text.Pointers[0], text.Pointers[1], headers.Count, headers.Pointers, headerNames.Pointers),
            "nvrtcCreateProgram");
        try
        {
            int result = Nvrtc.CompileProgram(program, arguments.Count, arguments.Pointers);
            string messages = ReadLog(program);
            if (result != Nvrtc.Success)
            {
                string error = Marshal.PtrToStringUTF8((nint)Nvrtc.GetErrorString(result)) ?? "";
                throw new KernelCompilationException(name, string.Join(' ', options), messages.Length > 0 ? messages : error);
            }

            if (messages.Length > 0)
            {
                log?.Invoke($"{name}: {messages}");
            }

            nuint bytes = 0;
            Nvrtc.Check(Nvrtc.GetCubinSize(program, &bytes), "nvrtcGetCUBINSize");
            byte[] cubin = new byte[checked((int)bytes)];
            fixed (byte* target = cubin)
            {
                Nvrtc.Check(Nvrtc.GetCubin(program, target), "nvrtcGetCUBIN");
            }

            return cubin;
        }
        finally
        {
            _ = Nvrtc.DestroyProgram(&program);
        }
    }

    private static string ReadLog(nint program)
    {
        nuint bytes = 0;
        if (Nvrtc.GetProgramLogSize(program, &bytes) != Nvrtc.Success || bytes <= 1)
        {
            return "";
        }

        byte[] log = new byte[checked((int)bytes)];
        fixed (byte* target = log)
        {
            Nvrtc.Check(Nvrtc.GetProgramLog(program, target), "nvrtcGetProgramLog");
        }

        return Encoding.UTF8.GetString(log).TrimEnd('\0', '\n');
    }

    /// <summary>Zero-terminated strings outside the garbage-collected heap, and an array of their addresses.</summary>
    private sealed class NativeStrings : IDisposable
    {
        public NativeStrings(IEnumerable<string> texts)
        {
            string[] all = [.. texts];
            Count = all.Length;
            Pointers = (byte**)NativeMemory.AllocZeroed((nuint)Math.Max(all.Length, 1), (nuint)sizeof(byte*));
            for (int i = 0; i < all.Length; i++)
            {
                Pointers[i] = (byte*)Marshal.StringToCoTaskMemUTF8(all[i]);
            }
        }

        public int Count { get; }

        public byte** Pointers { get; }

        public void Dispose()
        {
            for (int i = 0; i < Count; i++)
            {
                Marshal.FreeCoTaskMem((nint)Pointers[i]);
            }

            NativeMemory.Free(Pointers);
        }
    }
}
