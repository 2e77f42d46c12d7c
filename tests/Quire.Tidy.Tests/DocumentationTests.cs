using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using Quire.Engine;

namespace Quire.Tidy.Tests;

/// <summary>Documents that name files, links or error codes have to be right about them.</summary>
public partial class DocumentationTests
{
    private static IEnumerable<string> Pages => Repository.Files(".", "*.md");

    [Fact]
    public void Every_relative_link_leads_somewhere()
    {
        var dead = new List<string>();
        foreach (string page in Pages)
        {
            foreach (Match link in Link().Matches(Repository.Read(page)))
            {
                string target = link.Groups[1].Value.Split('#')[0];
                if (target.Length == 0 || target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal))
                {
                    continue;
                }

                string path = Path.GetRelativePath(Repository.Root, Path.GetFullPath(Path.Combine(Repository.Root, Path.GetDirectoryName(page)!, target)));
                if (!Repository.Exists(path))
                {
                    dead.Add($"{page} -> {target}");
                }
            }
        }

        Assert.Empty(dead);
    }

    [Fact]
    public void Every_file_that_the_architecture_page_names_exists()
    {
        var files = Repository.Files("src", "*.cs").Concat(Repository.Files("tests", "*.cs")).Select(file => file.Split('/')[^1]).ToHashSet();
        var missing = FileName().Matches(Repository.Read("ARCHITECTURE.md")).Select(match => match.Value).Where(name => !files.Contains(name)).Distinct();
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_error_code_has_a_page_and_every_page_a_code()
    {
        var codes = typeof(ErrorCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetRawConstantValue()!).ToList();
        Assert.Equal(codes.Count, codes.Distinct().Count());
        Assert.Equal(
            codes.Order(StringComparer.Ordinal),
            Repository.Files("docs/errors", "QRE*.md").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = Repository.Read("Quire.slnx");
        foreach (string project in new[] { "src", "tests", "bench" }.SelectMany(folder => Repository.Files(folder, "*.csproj")))
        {
            Assert.Contains(project, solution, StringComparison.Ordinal);
        }
    }

    [GeneratedRegex(@"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\b[A-Z]\w*(\.[A-Z]\w*)*\.cs\b")]
    private static partial Regex FileName();
}
