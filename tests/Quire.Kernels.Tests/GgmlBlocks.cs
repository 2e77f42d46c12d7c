using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

/// <summary>Blocks and values that ggml's reference functions gave (Data/make-ggml-blocks.py).</summary>
internal static class GgmlBlocks
{
    public static IReadOnlyList<(BlockFormat Format, byte[] Blocks, float[] Values)> Decoded => Read("decoded");

    public static IReadOnlyList<(BlockFormat Format, byte[] Blocks, float[] Values)> Encoded => Read("encoded");

    private static List<(BlockFormat Format, byte[] Blocks, float[] Values)> Read(string part)
    {
        string root = typeof(GgmlBlocks).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "tests", "Quire.Kernels.Tests", "Data", "ggml-blocks.json")));
        var cases = new List<(BlockFormat Format, byte[] Blocks, float[] Values)>();
        foreach (JsonElement item in document.RootElement.GetProperty(part).EnumerateArray())
        {
            string name = item.GetProperty("format").GetString()!;
            BlockFormat format = BlockFormats.All.Single(format => format.DisplayName() == name);
            byte[] values = item.GetProperty("values").GetBytesFromBase64();
            cases.Add((format, item.GetProperty("blocks").GetBytesFromBase64(), MemoryMarshal.Cast<byte, float>(values).ToArray()));
        }

        return cases;
    }
}
