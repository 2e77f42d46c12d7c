using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Quire.Cuda.Interop;

/// <summary>
/// Where CUDA's libraries may lie: the folders that were configured, the toolkit's own, and the <c>nvidia</c> packages of a Python
/// installation, which carry NVRTC and cuBLASLt without a toolkit. Folders that hold stand-ins for the driver (<c>stubs</c>,
/// <c>compat</c>) are never among them.
/// </summary>
/// <param name="root">Prefix of every absolute path; "/" outside tests.</param>
/// <param name="home">The user's home folder, or null.</param>
/// <param name="configured">What the user named: folders of libraries, Python prefixes (virtual environments) or Python interpreters.</param>
internal sealed class LibraryPlaces(string root, string? home, IReadOnlyList<string> configured)
{
    private static readonly string[] DriverFolders =
    [
        "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/nvidia/lib64", "usr/lib/wsl/lib",
    ];

    private static readonly string[] ToolkitSubfolders = ["lib64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"];

    /// <summary>In a <c>site-packages</c> folder: CUDA 13 has one folder, CUDA 12 one per library.</summary>
    private static readonly string[] PackageFolders = ["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", "nvidia/cublas/lib"];

    /// <summary>Folders that are looked through for the driver's library.</summary>
    public IEnumerable<string> ForDriver() => DriverFolders.Select(Rooted).Where(IsTrustworthy);

    /// <summary>Folders that the user named, in their order, each with the folders that it stands for.</summary>
    public IEnumerable<string> Configured() => configured.SelectMany(Expand).Where(IsTrustworthy).Distinct(StringComparer.Ordinal);

    /// <summary>Folders that are looked through, after the system's loader was asked, for NVRTC and cuBLASLt.</summary>
    public IEnumerable<string> ForToolkit()
    {
        IEnumerable<string> toolkits = Children(Rooted("usr/local"), "cuda*").OrderByDescending(VersionOf).ThenBy(Path.GetFileName, StringComparer.Ordinal);
        IEnumerable<string> folders = toolkits.SelectMany(toolkit => ToolkitSubfolders.Select(folder => Path.Combine(toolkit, folder)))
            .Append(Rooted("opt/cuda/lib64"))
            .Concat(PythonPrefixes().SelectMany(PythonFolders));
        return folders.Where(IsTrustworthy).Distinct(StringComparer.Ordinal);
    }

    /// <summary>True unless a component of the path is <c>stubs</c> (link-time stand-ins) or <c>compat</c> (drivers for other kernels).</summary>
    public static bool IsTrustworthy(string path) =>
        !path.Split('/', '\\').Any(part =>
            part.Equals("stubs", StringComparison.OrdinalIgnoreCase)
            || part.Equals("compat", StringComparison.OrdinalIgnoreCase)
            || part.StartsWith("compat_", StringComparison.OrdinalIgnoreCase)
            || part.StartsWith("compat-", StringComparison.OrdinalIgnoreCase));

    private IEnumerable<string> PythonPrefixes()
    {
        yield return Rooted("usr");
        yield return Rooted("usr/local");
        foreach (string folder in Children(Rooted("opt"), "*"))
        {
            yield return Path.Combine(folder, ".venv");
            yield return folder;
        }

        if (!string.IsNullOrEmpty(home))
        {
            yield return Path.Combine(home, ".local");
            foreach (string name in new[] { ".venv", "venv", "miniconda3", "miniforge3", "anaconda3" })
            {
                yield return Path.Combine(home, name);
            }
        }
    }

    /// <summary>A configured entry may be a folder of libraries, a toolkit, a Python prefix, or a Python interpreter in a prefix.</summary>
    private static IEnumerable<string> Expand(string entry)
    {
        string prefix = entry;
        if (File.Exists(entry) && Path.GetDirectoryName(Path.GetDirectoryName(Path.GetFullPath(entry))) is { } parent)
        {
            prefix = parent;
        }
        else
        {
            yield return entry;
        }

        foreach (string folder in ToolkitSubfolders)
        {
            yield return Path.Combine(prefix, folder);
        }

        foreach (string folder in PythonFolders(prefix))
        {
            yield return folder;
        }
    }

    private static IEnumerable<string> PythonFolders(string prefix)
    {
        // Windows has prefix\Lib\site-packages; others have lib/python3.x in between, Debian with its own name for the last part.
        IEnumerable<string> versions = Children(Path.Combine(prefix, "lib"), "python3*")
            .Concat(Children(Path.Combine(prefix, "lib64"), "python3*"))
            .OrderByDescending(VersionOf)
            .ThenBy(path => path, StringComparer.Ordinal);
        foreach (string version in versions.Append(Path.Combine(prefix, "Lib")))
        {
            foreach (string packages in new[] { "site-packages", "dist-packages" })
            {
                foreach (string folder in PackageFolders)
                {
                    string path = Path.Combine(version, packages, folder);
                    if (Directory.Exists(path))
                    {
                        yield return path;
                    }

                    string windows = Path.Combine(Path.GetDirectoryName(path)!, "bin");
                    if (OperatingSystem.IsWindows() && Directory.Exists(windows))
                    {
                        yield return windows;
                    }
                }
            }
        }
    }

    /// <summary>"cuda-13.0" as 13.0, so that 13 comes before 9; 999 without a number, since plain "cuda" is the installed default.</summary>
    private static Version VersionOf(string path)
    {
        string digits = new([.. Path.GetFileName(path).SkipWhile(character => !char.IsAsciiDigit(character))]);
        return Version.TryParse(digits.Contains('.', StringComparison.Ordinal) ? digits : digits + ".0", out Version? version) ? version : new Version(999, 0);
    }

    private static string[] Children(string folder, string pattern)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.GetDirectories(folder, pattern) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private string Rooted(string path) => Path.Combine(root, path);
}
