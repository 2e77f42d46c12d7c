using System.Collections.Generic;
using System.Text;
using Quire.Cuda.Compilation;
using Quire.Cuda.Device;

namespace Quire.Cuda.Tests.Support;

/// <summary>A compiler whose code is the text of what it was given, so that a test sees what was compiled, and how often.</summary>
internal sealed class FakeCompiler : ICubinCompiler
{
    public string? Version { get; set; } = "Fake 1.0";

    public int Calls { get; private set; }

    public byte[] Compile(string name, KernelSources sources, IReadOnlyList<string> options)
    {
        if (Version is null)
        {
            throw new CudaUnavailableException("there is no compiler");
        }

        Calls++;
        return Encoding.UTF8.GetBytes($"{Version}|{name}|{sources[name]}|{string.Join(' ', options)}");
    }
}
