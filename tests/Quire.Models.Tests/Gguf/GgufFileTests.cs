using System;
using System.IO;
using Quire.Models.Config;
using Quire.Models.Gguf;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests.Gguf;

public class GgufFileTests
{
    [Fact]
    public void Keys_and_tensors_come_out_as_they_went_in()
    {
        using var folder = new TemporaryFolder();
        using GgufFile file = GgufFile.Open(folder.Write("a.gguf", Valid()));
        Assert.Equal("llama", file.Metadata.Text("general.architecture"));
        Assert.Equal(7, file.Metadata.Integer("n", 0, 10));
        Assert.Equal(0.5, file.Metadata.Number("x", 0, 1));
        Assert.True(file.Metadata.Flag("yes"));
        Assert.Equal(["a", "", "ж"], file.Metadata.Texts("texts", 10)!);
        Assert.Equal([1, -2], file.Metadata.Integers("integers", 10)!);
        Assert.Equal([1.5f], file.Metadata.Singles("singles", 10)!);
        Assert.Null(file.Metadata.Text("absent"));
        WeightTensor tensor = file.Tensors["m"];
        Assert.Equal([2, 32], tensor.Shape);
        Assert.Equal(BlockFormat.Q80, tensor.Packed);
        Assert.Equal(68, tensor.SizeInBytes);
        Assert.Equal(DType.F32, file.Tensors["v"].Type);
    }

    [Fact]
    public void Values_of_the_wrong_type_or_size_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using GgufFile file = GgufFile.Open(folder.Write("a.gguf", Valid()));
        Refused("n is 7, which is not between 8 and 9", () => file.Metadata.Integer("n", 8, 9));
        Refused("n must be a string", () => file.Metadata.Text("n"));
        Refused("texts has 3 entries, more than the limit of 2", () => file.Metadata.Texts("texts", 2));
        Refused("texts must be a list of Float32", () => file.Metadata.Singles("texts", 9));
        Refused("integers differs from layer to layer", () => file.Metadata.Integer("integers", -9, 9));
    }

    [Theory]
    [InlineData(0, (byte)'X', "does not begin with the letters GGUF")]
    [InlineData(4, (byte)9, "the format version is 9")]
    [InlineData(15, (byte)0x7F, "the number of tensors is")]
    [InlineData(23, (byte)0x7F, "the number of metadata entries is")]
    [InlineData(31, (byte)0x7F, "the length of the key of metadata entry 0 is")]
    public void Damaged_headers_are_refused(int at, byte value, string expected)
    {
        using var folder = new TemporaryFolder();
        byte[] bytes = Valid();
        bytes[at] = value;
        string path = folder.Write("a.gguf", bytes);
        Refused(expected, () => GgufFile.Open(path));
    }

    [Fact]
    public void A_file_that_ends_early_is_refused_wherever_it_ends()
    {
        using var folder = new TemporaryFolder();
        byte[] bytes = Valid();
        for (int length = 0; length < bytes.Length; length++)
        {
            string path = folder.Write("a.gguf", bytes[..length]);
            Assert.Throws<CheckpointException>(() => GgufFile.Open(path));
        }
    }

    [Fact]
    public void Tensors_of_unknown_types_and_uneven_rows_are_refused()
    {
        using var folder = new TemporaryFolder();
        string unknown = folder.Write("a.gguf", File(writer => writer.Declare("m", new GgufType(20, "IQ4_NL", null, BlockFormat.Q40), [32]), 100));
        Refused("the tensor 'm' has the type IQ4_NL; those that can be read are F32,", () => GgufFile.Open(unknown));
        string uneven = folder.Write("b.gguf", File(writer => writer.Declare("m", new GgufType(8, "Q8_0", DType.I8, null), [33]), 100));
        Refused("has rows of 33 values, which are not whole blocks of 32 (Q8_0)", () => GgufFile.Open(uneven));
    }

    [Fact]
    public void A_split_model_needs_all_its_parts_and_may_be_named_by_any()
    {
        using var folder = new TemporaryFolder();
        string whole = GgufFiles.Convert(TestFolders.Data("llama"), "f16", folder);
        string first = folder.File("m-00001-of-00002.gguf");
        System.IO.File.Move(whole, first);
        Refused("m-00002-of-00002.gguf is missing beside m-00001-of-00002.gguf", () => HfConfig.Load(first));
        string second = folder.Write("m-00002-of-00002.gguf", File(writer => writer.Declare("rope_freqs.unused", GgufTypes.Find(0)!, [2]), 32));
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(second);
        Assert.NotNull(checkpoint.Find("token_embd.weight"));
        Assert.NotNull(checkpoint.Find("rope_freqs.unused"));
        Assert.Equal("LlamaForCausalLM", HfConfig.Load(second).Architectures[0]);
    }

    [Fact]
    public void A_load_format_that_does_not_fit_the_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        string file = GgufFiles.Convert(TestFolders.Data("llama"), "f16", folder);
        using IBackend backend = Backends.Create(Backends.Reference);
        Refused("load_format is safetensors, but f16.gguf is a GGUF file", () => DecoderModel.Load(file, backend, Options(LoadFormat.Safetensors)));
        Refused("load_format is gguf, but", () => DecoderModel.Load(TestFolders.Data("llama"), backend, Options(LoadFormat.Gguf)));
        DecoderModel.Load(file, backend, Options(LoadFormat.Gguf)).Dispose();
    }

    [Fact]
    public void Damage_anywhere_is_refused_or_leaves_a_file_whose_tensors_lie_inside_it()
    {
        using var folder = new TemporaryFolder();
        byte[] valid = Valid();
        int opened = 0;
        for (int seed = 0; seed < 3000; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = random.Next(5) == 0 ? valid[..random.Next(valid.Length)] : (byte[])valid.Clone();
            for (int i = random.Next(1, 5); i > 0 && bytes.Length > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = random.Next(3) == 0 ? (byte)0xFF : (byte)random.Next(256);
            }

            string path = folder.Write("a.gguf", bytes);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using GgufFile file = GgufFile.Open(path);
                opened++;
                foreach (WeightTensor tensor in file.Tensors.Values)
                {
                    Assert.True(tensor.SizeInBytes >= 0 && tensor.SizeInBytes <= bytes.Length, $"seed {seed}: {tensor.Name} has {tensor.SizeInBytes} bytes");
                }

                foreach (string key in file.Metadata.Keys)
                {
                    ReadAll(file.Metadata, key);
                }
            }
            catch (CheckpointException)
            {
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}: {error}");
            }

            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 200_000, $"seed {seed}: much memory for a small file");
        }

        Assert.True(opened > 100, $"only {opened} files were opened: the damage never reaches the checks behind the header");
    }

    private static void ReadAll(GgufMetadata metadata, string key)
    {
        foreach (Action read in (Action[])
            [() => metadata.Text(key), () => metadata.Texts(key, 1 << 20), () => metadata.Integer(key, 0, 9), () => metadata.Integers(key, 1 << 20),
             () => metadata.Singles(key, 1 << 20), () => metadata.Flag(key), () => metadata.Number(key, 0, 1)])
        {
            try
            {
                read();
            }
            catch (CheckpointException)
            {
            }
        }
    }

    private static ModelOptions Options(LoadFormat format) => new() { LoadFormat = format, MaxBatchedTokens = 4, MaxLogitRows = 2 };

    private static byte[] Valid() => File(
        writer =>
        {
            writer.Set("general.architecture", "llama");
            writer.Set("n", 7);
            writer.Set("x", 0.5);
            writer.Set("yes", true);
            writer.Set("texts", (string[])["a", "", "ж"]);
            writer.Set("integers", (int[])[1, -2]);
            writer.Set("singles", (float[])[1.5f]);
            writer.Declare("m", GgufTypes.Find(8)!, [2, 32]);
            writer.Declare("v", GgufTypes.Find(0)!, [3]);
        },
        96 + 12);

    private static byte[] File(Action<GgufWriter> fill, int dataBytes)
    {
        using var writer = new GgufWriter();
        fill(writer);
        using var stream = new MemoryStream();
        writer.WriteHeader(stream);
        stream.Write(new byte[dataBytes]);
        return stream.ToArray();
    }

    private static void Refused(string expected, Func<object?> action) =>
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => { action(); }).Message, StringComparison.Ordinal);
}
