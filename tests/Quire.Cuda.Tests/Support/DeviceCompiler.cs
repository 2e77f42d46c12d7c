using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;

namespace Quire.Cuda.Tests.Support;

/// <summary>
/// A plain clang that knows CUDA's language but has none of its headers: enough to tell whether a kernel is well formed and how its
/// structures lie in memory, on any machine.
/// </summary>
internal static class DeviceCompiler
{
    private const string Command = "clang++-14";

    /// <summary>Compiles a file for the device, down to PTX that is thrown away.</summary>
    /// <returns>What the compiler wrote on its outputs, and whether it was content.</returns>
    public static (bool Succeeded, string Output) Run(string file, params string[] more)
    {
        List<string> arguments =
        [
            "-x", "cuda", "--cuda-device-only", "--cuda-gpu-arch=sm_80", "-nocudainc", "-nocudalib", "-std=c++17", "-S", "-o", "-",
            "-Wall", "-Wno-unused-function", "-Wno-unknown-pragmas", "-Wno-pass-failed",
            "-include", Path.Combine(AppContext.BaseDirectory, "Support", "device_builtins.h"), .. more, file,
        ];
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(Command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode == 0, errors.Result + output);
        }
        catch (Win32Exception)
        {
            Assert.Skip($"{Command} is not installed");
            throw;
        }
    }
}
