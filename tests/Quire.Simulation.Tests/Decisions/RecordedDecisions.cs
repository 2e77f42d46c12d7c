using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using Quire.Simulation.Decisions;

namespace Quire.Simulation.Tests.Decisions;

/// <summary>What the scheduler of vLLM 0.25.1 decided, step by step, in 23 workloads.</summary>
internal static class RecordedDecisions
{
    public static byte[] Utf8()
    {
        using Stream packed = typeof(RecordedDecisions).Assembly.GetManifestResourceStream("decisions.json.gz")
            ?? throw new InvalidOperationException("the recorded decisions are not embedded");
        using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        unpacked.CopyTo(bytes);
        return bytes.ToArray();
    }

    public static IReadOnlyList<DecisionCase> Read() => DecisionJson.Read(Utf8());
}
