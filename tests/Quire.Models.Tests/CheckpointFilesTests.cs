using System;
using System.IO;
using System.Linq;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;

namespace Quire.Models.Tests;

public class CheckpointFilesTests
{
    private static readonly byte[] ShardA = SafetensorsBytes.Floats([("a", [2], [1, 2]), ("shared", [1], [5])]);
    private static readonly byte[] ShardB = SafetensorsBytes.Floats([("b", [1], [3])]);

    [Fact]
    public void A_single_file_is_found()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model.safetensors", ShardA);
        folder.Write("other.safetensors", ShardB);
        using CheckpointFiles files = CheckpointFiles.Open(folder.Path);
        Assert.Equal(["a", "shared"], files.Names.Order());
    }

    [Fact]
    public void Shards_are_read_as_the_index_lists_them_and_unlisted_files_are_not()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model-00001-of-00002.safetensors", ShardA);
        folder.Write("model-00002-of-00002.safetensors", ShardB);
        folder.Write("consolidated.safetensors", "not even a safetensors file");
        folder.Write(
            CheckpointFiles.IndexFileName,
            """{"metadata":{"total_size":16},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors","shared":"model-00001-of-00002.safetensors"}}""");
        using CheckpointFiles files = CheckpointFiles.Open(folder.Path);
        Assert.Equal(["a", "b", "shared"], files.Names.Order());
        Assert.Equal(2, files.Files.Count);
        Assert.Equal(8, files.Find("a")!.SizeInBytes);
        Assert.Null(files.Find("c"));
    }

    [Fact]
    public void Files_without_an_index_are_all_read_but_for_mistrals_own_layout()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part1.safetensors", ShardA);
        folder.Write("part2.safetensors", ShardB);
        folder.Write("consolidated.safetensors", "not even a safetensors file");
        using CheckpointFiles files = CheckpointFiles.Open(folder.Path);
        Assert.Equal(3, files.Names.Count);
    }

    [Fact]
    public void A_tensor_in_two_files_is_refused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part1.safetensors", ShardA);
        folder.Write("part2.safetensors", ShardA);
        Refused(folder, CheckpointProblem.Malformed, "'a'");
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("one.safetensors", ShardA);
        folder.Write(CheckpointFiles.IndexFileName, """{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}""");
        Refused(folder, CheckpointProblem.MissingFile, "two.safetensors");
    }

    [Fact]
    public void A_tensor_that_its_shard_does_not_hold_is_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("one.safetensors", ShardA);
        folder.Write(CheckpointFiles.IndexFileName, """{"weight_map":{"a":"one.safetensors","ghost":"one.safetensors"}}""");
        Refused(folder, CheckpointProblem.WeightMismatch, "'ghost'");
    }

    [Theory]
    [InlineData("../outside.safetensors")]
    [InlineData("sub/../../outside.safetensors")]
    [InlineData("/etc/outside.safetensors")]
    [InlineData("")]
    [InlineData("bad\\u0000.safetensors")]
    public void A_shard_outside_the_folder_is_refused(string shard)
    {
        using var parent = new TemporaryFolder();
        string folder = Directory.CreateDirectory(parent.File("model")).FullName;
        parent.Write("outside.safetensors", ShardA);
        File.WriteAllText(Path.Combine(folder, CheckpointFiles.IndexFileName), $$$"""{"weight_map":{"a":"{{{shard}}}"}}""");
        var error = Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder));
        Assert.Contains("not inside the model folder", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "JSON object")]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{"weight_map":{"a":1}}""", "'a'")]
    [InlineData("""{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}""", "JSON")]
    [InlineData("""{"weight_map":{"a":"pytorch_model.bin"}}""", "pytorch_model.bin")]
    public void A_bad_index_is_refused(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        folder.Write(CheckpointFiles.IndexFileName, json);
        var error = Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder.Path));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("consolidated.00.pth")]
    [InlineData("model.pt")]
    [InlineData("last.CKPT")]
    public void Pickles_are_refused_by_name_with_the_reason(string file)
    {
        using var folder = new TemporaryFolder();
        folder.Write(file, "x");
        Refused(folder, CheckpointProblem.Unsupported, file);
        Refused(folder, CheckpointProblem.Unsupported, "pickle");
    }

    [Fact]
    public void A_folder_without_weights_or_no_folder_is_an_error()
    {
        using var folder = new TemporaryFolder();
        Refused(folder, CheckpointProblem.MissingFile, "model.safetensors");
        Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder.File("absent")));
    }

    private static void Refused(TemporaryFolder folder, CheckpointProblem problem, string reason)
    {
        var error = Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder.Path));
        Assert.Equal(problem, error.Problem);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
