using System;
using System.Linq;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

public class SafetensorsFileTests
{
    private const string Two = """{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}""";

    [Fact]
    public unsafe void A_valid_file_gives_its_tensors_in_place()
    {
        using var folder = new TemporaryFolder();
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("m.safetensors", SafetensorsBytes.File(Two, 22)));

        Assert.Equal(["a", "b"], file.Tensors.Keys.Order());
        WeightTensor b = file.Tensors["b"];
        Assert.Equal(DType.BF16, b.Type);
        Assert.Equal([3L], b.Shape);
        Assert.Equal(6, b.SizeInBytes);
        Assert.Equal([16, 17, 18, 19, 20, 21], new ReadOnlySpan<byte>((void*)b.Data, 6).ToArray());
    }

    [Fact]
    public void Order_metadata_padding_scalars_empty_tensors_and_unknown_fields_are_allowed()
    {
        const string header = """
            {"__metadata__":{"format":"pt"},
             "late":{"dtype":"U8","shape":[2],"data_offsets":[8,10],"extra":{"x":[1]}},
             "empty":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]},
             "scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}      
            """;
        using var folder = new TemporaryFolder();
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("m.safetensors", SafetensorsBytes.File(header, 10)));

        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Empty(file.Tensors["scalar"].Shape);
        Assert.Null(file.Tensors["scalar"].Type);
        Assert.Equal(0, file.Tensors["empty"].SizeInBytes);
        Assert.Equal(2, file.Tensors["late"].SizeInBytes);
    }

    [Theory]
    [InlineData("overlap", """{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}}""", 12, "overlaps")]
    [InlineData("hole", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}""", 12, "hole")]
    [InlineData("hole at the start", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", 8, "hole")]
    [InlineData("data left over", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 5, "the file holds 5")]
    [InlineData("truncated data", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 3, "truncated")]
    [InlineData("beyond the file", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[9223372036854775803,9223372036854775807]}}""", 4, "truncated")]
    [InlineData("size of shape", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "data_offsets [0, 4]")]
    [InlineData("product wraps to 4", """{"a":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,4]}}""", 4, "64 bits")]
    [InlineData("bits wrap", """{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "64 bits")]
    [InlineData("negative dimension", """{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}""", 4, "negative")]
    [InlineData("negative offset", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}""", 4, "negative")]
    [InlineData("backwards", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4, "before its begin")]
    [InlineData("fraction", """{"a":{"dtype":"U8","shape":[4.5],"data_offsets":[0,4]}}""", 4, "fractional")]
    [InlineData("duplicate name", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4, "twice")]
    [InlineData("duplicate name in an escape", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"\u0061":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4, "twice")]
    [InlineData("duplicate field", """{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2, "twice")]
    [InlineData("unknown type", """{"a":{"dtype":"F12","shape":[4],"data_offsets":[0,4]}}""", 4, "'F12'")]
    [InlineData("odd bits", """{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "F4 [3]")]
    [InlineData("three offsets", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,8]}}""", 4, "more than 2")]
    [InlineData("one offset", """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}}""", 4, "two data_offsets")]
    [InlineData("no shape", """{"a":{"dtype":"U8","data_offsets":[0,4]}}""", 4, "needs dtype, shape")]
    [InlineData("entry is a number", """{"a":4}""", 4, "not an object")]
    [InlineData("shape holds text", """{"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}}""", 4, "not a number")]
    [InlineData("metadata holds numbers", """{"__metadata__":{"a":1}}""", 0, "__metadata__")]
    [InlineData("rank", """{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]}}""", 4, "more than 32")]
    [InlineData("deep", """{"a":{"x":[[[[[[[[[[1]]]]]]]]]],"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "JSON")]
    [InlineData("not an object", "[1,2]", 0, "begin with '{'")]
    [InlineData("leading blank", " {}", 0, "begin with '{'")]
    [InlineData("cut off", """{"a":{"dtype":"U8","sha""", 0, "JSON")]
    [InlineData("two objects", "{}{}", 0, "JSON")]
    [InlineData("empty header", "", 0, "begin with '{'")]
    public void A_file_that_breaks_a_rule_is_refused_with_the_reason(string fault, string header, int dataBytes, string reason)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("bad.safetensors", SafetensorsBytes.File(header, dataBytes));

        var error = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path));

        Assert.True(error.Message.Contains(reason, StringComparison.Ordinal), $"{fault}: {error.Message}");
        Assert.StartsWith("bad.safetensors", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100_000_001UL, "over the limit of 100000000")]
    [InlineData(ulong.MaxValue, "over the limit of 100000000")]
    [InlineData(1UL << 63, "over the limit of 100000000")]
    [InlineData(5000UL, "truncated")]
    public void A_header_longer_than_allowed_or_than_the_file_is_refused(ulong length, string reason)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("bad.safetensors", SafetensorsBytes.File("{}", 10, length));

        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_of_a_few_bytes_and_files_that_are_not_there_are_refused()
    {
        using var folder = new TemporaryFolder();
        var tooShort = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.Write("short.safetensors", new byte[7])));
        Assert.Contains("too few", tooShort.Message, StringComparison.Ordinal);
        Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.Write("empty.safetensors", [])));
        var absent = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.File("absent.safetensors")));
        Assert.Equal(CheckpointProblem.MissingFile, absent.Problem);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        using var folder = new TemporaryFolder();
        byte[] file = SafetensorsBytes.File("""{"a?":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4);
        file[8 + 3] = 0xFF;
        Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.Write("bad.safetensors", file)));
        byte[] surrogate = SafetensorsBytes.File("""{"\ud800":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4);
        Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.Write("surrogate.safetensors", surrogate)));
    }
}
