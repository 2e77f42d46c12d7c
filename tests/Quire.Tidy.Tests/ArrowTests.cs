using System;
using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;

namespace Quire.Tidy.Tests;

/// <summary>Dependencies go one way: this list is the picture in ARCHITECTURE.md.</summary>
public class ArrowTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Quire.Core"] = [],
        ["Quire.Tokenization"] = [],
        ["Quire.Tensors"] = [],
        ["Quire.Cpu"] = ["Quire.Tensors"],
        ["Quire.Cuda"] = ["Quire.Tensors"],
        ["Quire.Models"] = ["Quire.Tensors"],
        ["Quire.Simulation"] = ["Quire.Core"],
        ["Quire.Engine"] = ["Quire.Core", "Quire.Tokenization", "Quire.Models"],
        ["Quire.Server"] = ["Quire.Engine"],
        ["Quire.Inference"] = ["Quire.Engine", "Quire.Cpu", "Quire.Cuda"],
        ["Quire.Cli"] = ["Quire.Inference", "Quire.Server", "Quire.Simulation"],
    };

    private static readonly Dictionary<string, string[]> Friends = new()
    {
        ["Quire.Tensors"] = ["Quire.Kernels.Tests", "Quire.Cpu"],
        ["Quire.Cpu"] = ["Quire.Kernels.Tests"],
    };

    private static readonly string[] WithoutPackages = ["Quire.Core", "Quire.Simulation", "Quire.Tensors", "Quire.Models"];

    public static TheoryData<string> Projects => new(Repository.Files("src", "*.csproj").Select(Name));

    [Fact]
    public void Every_project_is_on_the_list() =>
        Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), Projects.Select(row => row.Data).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_refers_only_to_what_is_below_it(string project) =>
        Assert.Equal(Allowed[project].Order(StringComparer.Ordinal), Items(project, "ProjectReference").Select(Name).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Projects))]
    public void Friends_are_tests_or_follow_an_arrow(string project) =>
        Assert.Equal(
            Friends.GetValueOrDefault(project, []).Order(StringComparer.Ordinal),
            Items(project, "InternalsVisibleTo").Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Projects))]
    public void Pure_projects_and_the_tensor_contract_take_no_packages(string project)
    {
        if (WithoutPackages.Contains(project))
        {
            Assert.Empty(Items(project, "PackageReference").Where(package => !package.StartsWith("Microsoft.CodeAnalysis.", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData("Quire.Core")]
    [InlineData("Quire.Simulation")]
    public void Pure_projects_ban_clocks_files_threads_and_chance(string project) =>
        Assert.Contains("BannedSymbols.Pure.txt", Repository.Read($"src/{project}/{project}.csproj"), StringComparison.Ordinal);

    private static IEnumerable<string> Items(string project, string kind) =>
        XDocument.Parse(Repository.Read($"src/{project}/{project}.csproj")).Descendants(kind).Select(item => (string)item.Attribute("Include")!);

    private static string Name(string path) => path.Split('/')[^1].Replace(".csproj", "", StringComparison.Ordinal);
}
