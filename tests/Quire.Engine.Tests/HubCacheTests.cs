using System;
using System.IO;
using System.Threading.Tasks;
using Quire.Cpu;
using Quire.Engine.Loading;
using Quire.Engine.Options;

namespace Quire.Engine.Tests;

public sealed class HubCacheTests : IDisposable
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private const string Other = "fedcba9876543210fedcba9876543210fedcba98";

    private readonly string _cache = Directory.CreateTempSubdirectory("quire-hub").FullName;

    public void Dispose() => Directory.Delete(_cache, recursive: true);

    [Fact]
    public void A_name_is_found_by_its_main_branch_a_tag_or_a_commit()
    {
        Snapshot("org/model", Commit);
        Snapshot("org/model", Other);
        Reference("org/model", "main", Commit + "\n");
        Reference("org/model", "refs/pr/1", Other);
        Assert.EndsWith(Commit, Locate("org/model"), StringComparison.Ordinal);
        Assert.EndsWith(Commit, Locate("org/model", "main"), StringComparison.Ordinal);
        Assert.EndsWith(Other, Locate("org/model", "refs/pr/1"), StringComparison.Ordinal);
        Assert.EndsWith(Other, Locate("org/model", Other), StringComparison.Ordinal);
    }

    [Fact]
    public void A_single_snapshot_needs_no_reference_but_a_named_revision_does()
    {
        Snapshot("gpt2", Commit);
        Assert.EndsWith(Commit, Locate("gpt2"), StringComparison.Ordinal);
        Assert.Contains("there is no model at 'gpt2'", Refused("gpt2", "v2"), StringComparison.Ordinal);
        Snapshot("gpt2", Other);
        Refused("gpt2", null);
    }

    [Fact]
    public void What_is_missing_is_named_with_the_way_to_fetch_it()
    {
        string message = Refused("org/absent", "v1.0");
        Assert.Contains(Path.Combine(_cache, "models--org--absent"), message, StringComparison.Ordinal);
        Assert.Contains("no snapshot with revision v1.0", message, StringComparison.Ordinal);
        Assert.Contains("hf download org/absent --revision v1.0", message, StringComparison.Ordinal);
        Snapshot("org/half", Commit);
        Reference("org/half", "main", Other);
        Snapshot("org/half", Commit + "0");
        Refused("org/half", null);
    }

    [Theory]
    [InlineData("../secret")]
    [InlineData("org/../..")]
    [InlineData("a/b/c")]
    [InlineData("org/")]
    [InlineData("..")]
    [InlineData("org/mo del")]
    public void Names_that_leave_the_cache_are_no_names(string name)
    {
        Assert.False(HubCache.IsName(name));
        Assert.Null(HubCache.Find(name, null, _cache));
    }

    [Theory]
    [InlineData("../../..")]
    [InlineData("/etc")]
    [InlineData("main/../../x")]
    public void Revisions_and_references_that_leave_the_model_are_not_followed(string revision)
    {
        Snapshot("org/model", Commit);
        Snapshot("org/model", Other);
        Assert.Null(HubCache.Find("org/model", revision, _cache));
        Reference("org/model", "main", revision);
        Assert.Null(HubCache.Find("org/model", null, _cache));
    }

    [Fact]
    public async Task An_engine_starts_from_a_name_and_is_served_under_it()
    {
        string snapshot = Snapshot("quire/quill", Commit);
        Reference("quire/quill", "main", Commit);
        foreach (string file in Directory.GetFiles(TestModels.Quill))
        {
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), file);
        }

        var options = new EngineOptions { Model = "quire/quill", DownloadDir = _cache, KvCacheMemoryBytes = 64 << 20, DisableLogStats = true };
        await using InferenceEngine engine = await InferenceEngine.StartAsync(options, new CpuBackend(new CpuOptions()), UsageContext.OfflineBatch);
        Assert.Equal(["quire/quill"], engine.Model.ServedNames);
        Assert.Equal("quire/quill", engine.Model.Path);
        Assert.True(engine.HasTokenizer);
    }

    private string Locate(string name, string? revision = null) => ModelLocator.Locate(name, revision, _cache);

    private string Refused(string name, string? revision)
    {
        var error = Assert.Throws<QuireException>(() => Locate(name, revision));
        Assert.Equal(ErrorCodes.ModelNotFound, error.Code);
        return error.Message;
    }

    private string Snapshot(string name, string commit) =>
        Directory.CreateDirectory(Path.Combine(HubCache.ModelFolder(name, _cache), "snapshots", commit)).FullName;

    private void Reference(string name, string reference, string commit)
    {
        string path = Path.Combine(HubCache.ModelFolder(name, _cache), "refs", reference);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, commit);
    }
}
