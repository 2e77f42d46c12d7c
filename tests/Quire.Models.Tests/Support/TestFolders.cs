using System.IO;
using System.Reflection;

namespace Quire.Models.Tests.Support;

/// <summary>Where tests find models and reference outputs.</summary>
internal static class TestFolders
{
    public static string Repository { get; } = FindRepository();

    /// <summary>The reference models that are copied into this project.</summary>
    public static string Data(string name) => Path.Combine(Repository, "tests", "Quire.Models.Tests", "Data", name);

    /// <summary>The model that ships with the repository.</summary>
    public static string Quill => Path.Combine(Repository, "models", "quill");

    /// <summary>A path among the reference outputs that lie beside the repository; skips the test when they are absent.</summary>
    public static string Shared(params string[] parts)
    {
        string path = Path.Combine(Repository, "..", "shared", Path.Combine(parts));
        Assert.SkipUnless(Directory.Exists(path) || File.Exists(path), $"{path} is not here");
        return path;
    }

    private static string FindRepository()
    {
        foreach (AssemblyMetadataAttribute attribute in typeof(TestFolders).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>())
        {
            if (attribute.Key == "RepositoryRoot")
            {
                return attribute.Value!;
            }
        }

        throw new DirectoryNotFoundException("the assembly does not say where the repository is");
    }
}
