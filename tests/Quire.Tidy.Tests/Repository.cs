using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;

namespace Quire.Tidy.Tests;

/// <summary>The files of the checkout that the tests were built from.</summary>
internal static class Repository
{
    private static readonly string[] Skipped = ["bin", "obj", "artifacts", "node_modules", ".git", "BenchmarkDotNet.Artifacts", "TestResults"];

    public static string Root { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    /// <summary>Paths relative to the root, with forward slashes, in order.</summary>
    public static IReadOnlyList<string> Files(string folder, string pattern) =>
        [.. Walk(Path.Combine(Root, folder), pattern)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)];

    public static string Read(string relativePath) => File.ReadAllText(Path.Combine(Root, relativePath));

    public static bool Exists(string relativePath) =>
        File.Exists(Path.Combine(Root, relativePath)) || Directory.Exists(Path.Combine(Root, relativePath));

    private static IEnumerable<string> Walk(string folder, string pattern)
    {
        if (!Directory.Exists(folder))
        {
            return [];
        }

        return Directory.EnumerateFiles(folder, pattern)
            .Concat(Directory.EnumerateDirectories(folder)
                .Where(child => !Skipped.Contains(Path.GetFileName(child)))
                .SelectMany(child => Walk(child, pattern)));
    }
}
