using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text.Json;
using Quire.Models.Gguf;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests.Gguf;

public class GgufEncodingTests
{
    [Fact]
    public void Rows_are_quantised_to_the_bytes_that_ggml_gives()
    {
        string path = Path.Combine(TestFolders.Repository, "tests", "Quire.Kernels.Tests", "Data", "ggml-blocks.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        int cases = 0;
        foreach (JsonElement item in document.RootElement.GetProperty("encoded").EnumerateArray())
        {
            byte[] expected = item.GetProperty("blocks").GetBytesFromBase64();
            var actual = new byte[expected.Length];
            GgufEncoding.Encode(Type(item.GetProperty("format").GetString()!), MemoryMarshal.Cast<byte, float>(item.GetProperty("values").GetBytesFromBase64()), actual);
            Assert.Equal(expected, actual);
            cases++;
        }

        Assert.Equal(2, cases);
    }

    [Fact]
    public void Plain_types_round_to_nearest()
    {
        float[] values = [1.00390625f, -2.5f];
        var bytes = new byte[4];
        GgufEncoding.Encode(Type("BF16"), values, bytes);
        Assert.Equal(FloatConversions.SingleToBFloat16(values[0]), BitConverter.ToUInt16(bytes));
        GgufEncoding.Encode(Type("F16"), values, bytes);
        Assert.Equal(FloatConversions.SingleToHalf(values[1]), BitConverter.ToUInt16(bytes, 2));
        Assert.Throws<NotSupportedException>(() => GgufEncoding.Encode(Type("Q6_K"), new float[256], new byte[210]));
    }

    private static GgufType Type(string name)
    {
        foreach (GgufType type in GgufTypes.All)
        {
            if (type.Name == name)
            {
                return type;
            }
        }

        throw new ArgumentException(name, nameof(name));
    }
}
