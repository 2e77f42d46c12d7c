using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

namespace Quire.Tidy.Tests;

/// <summary>Rules over the text of the sources.</summary>
public partial class SourceTests
{
    private const int ComfortableLines = 400;

    /// <summary>Where the process's environment may be read: one place for options, and the CPU features of child processes in tests.</summary>
    private static readonly string[] MayReadEnvironment = ["src/Quire.Cli/"];

    /// <summary>
    /// Files that are longer than a reader takes in at one sitting, with the size that they may not exceed. The list may only shrink.
    /// </summary>
    private static readonly Dictionary<string, int> LongFiles = new()
    {
    };

    [Fact]
    public void No_source_file_outgrows_one_sitting()
    {
        var tooLong = new List<string>();
        foreach (string file in Repository.Files("src", "*.cs"))
        {
            int lines = Repository.Read(file).Count(character => character == '\n');
            int limit = LongFiles.GetValueOrDefault(file, ComfortableLines);
            if (lines > limit)
            {
                tooLong.Add($"{file}: {lines} lines, limit {limit}");
            }
        }

        Assert.Empty(tooLong);
    }

    [Fact]
    public void The_list_of_long_files_holds_no_short_ones()
    {
        foreach ((string file, int limit) in LongFiles)
        {
            int lines = Repository.Read(file).Count(character => character == '\n');
            Assert.True(lines > ComfortableLines && lines > limit - 20, $"{file} has {lines} lines: lower or remove its entry of {limit}");
        }
    }

    [Fact]
    public void The_environment_is_read_in_one_place() =>
        Assert.Empty(Repository.Files("src", "*.cs")
            .Where(file => !MayReadEnvironment.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)))
            .Where(file => EnvironmentRead().IsMatch(Repository.Read(file))));

    [Fact]
    public void Sources_hold_no_unfinished_business() =>
        Assert.Empty(Repository.Files("src", "*.cs").Where(file => Unfinished().IsMatch(Repository.Read(file))));

    [Fact]
    public void Nothing_names_the_machine_it_was_written_on() =>
        Assert.Empty(new[] { "*.cs", "*.md", "*.csproj", "*.props", "*.json", "*.sh", "*.yaml" }
            .SelectMany(pattern => Repository.Files(".", pattern))
            .Where(file => !file.StartsWith("models/", StringComparison.Ordinal) && file != "tests/Quire.Tidy.Tests/SourceTests.cs")
            .Where(file => MachinePath().IsMatch(Repository.Read(file))));

    [Fact]
    public void Namespaces_follow_folders()
    {
        var wrong = new List<string>();
        foreach (string file in Repository.Files("src", "*.cs"))
        {
            Match match = Namespace().Match(Repository.Read(file));
            string[] parts = file.Split('/');
            string expected = string.Join('.', parts[1..^1]);
            if (match.Success && match.Groups[1].Value != expected && !RootNamespaceTypes.Contains(file))
            {
                wrong.Add($"{file}: {match.Groups[1].Value}, expected {expected}");
            }
        }

        Assert.Empty(wrong);
    }

    /// <summary>Public types that live in their project's root namespace although their file is in a folder.</summary>
    private static readonly string[] RootNamespaceTypes = ["src/Quire.Engine/Options/EngineOptions.cs"];

    [GeneratedRegex(@"Environment\s*\.\s*(GetEnvironmentVariable|GetEnvironmentVariables|SetEnvironmentVariable)\b")]
    private static partial Regex EnvironmentRead();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX|NotImplementedException)\b")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"/(root|home|work)/\w")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();
}
