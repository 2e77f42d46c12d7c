using System.IO;
using System.Linq;
using System.Reflection;

namespace Quire.Server.Tests;

/// <summary>Where the repository and its model are.</summary>
internal static class RepositoryFiles
{
    public static string Root { get; } = typeof(RepositoryFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static string Quill { get; } = Path.Combine(Root, "models", "quill");

    /// <summary>A folder beside the repository that a stranger's clone does not have; the test is skipped without it.</summary>
    public static string Shared(params string[] parts)
    {
        string path = Path.GetFullPath(Path.Combine([Root, "..", "shared", .. parts]));
        Assert.SkipUnless(Path.Exists(path), $"needs {Path.Combine(parts)} of the shared folder");
        return path;
    }
}
