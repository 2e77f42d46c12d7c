using System;
using System.IO;

namespace Quire.Engine.Loading;

/// <summary>
/// Finds models in the cache that Hugging Face's tools fill: <c>models--org--name/snapshots/revision/</c>, with the revision that a branch or
/// tag stands for in <c>refs/</c> (huggingface_hub, "Understand caching"). Only reads; nothing is downloaded.
/// </summary>
public static class HubCache
{
    private const string MainBranch = "main";
    private const int MaxNameLength = 96;
    private const int MaxReferenceBytes = 256;

    /// <summary>The folder that the tools use when nobody says otherwise.</summary>
    public static string DefaultFolder =>
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "huggingface", "hub");

    /// <summary>True for <c>name</c> and <c>org/name</c> in the characters that the hub allows.</summary>
    public static bool IsName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split('/');
        return parts.Length <= 2 && name.Length <= MaxNameLength && Array.TrueForAll(parts, IsPlain);
    }

    /// <summary>The snapshot of a model, or null when the cache does not hold it.</summary>
    /// <param name="name">Such as <c>org/name</c>.</param>
    /// <param name="revision">A branch, a tag or a commit; null is the main branch.</param>
    /// <param name="cache">The cache's folder.</param>
    public static string? Find(string name, string? revision, string cache)
    {
        string folder = ModelFolder(name, cache);
        if (!IsName(name) || !Directory.Exists(folder))
        {
            return null;
        }

        string wanted = revision ?? MainBranch;
        string snapshots = Path.Combine(folder, "snapshots");
        if (Commit(folder, wanted) is { } commit && Directory.Exists(Path.Combine(snapshots, commit)))
        {
            return Path.Combine(snapshots, commit);
        }

        if (IsPlain(wanted) && Directory.Exists(Path.Combine(snapshots, wanted)))
        {
            return Path.Combine(snapshots, wanted);
        }

        // A cache that was copied without its refs: a single snapshot is what was meant.
        return revision is null && Directory.Exists(snapshots) && Directory.GetDirectories(snapshots) is [string only] ? only : null;
    }

    /// <summary>Where the cache keeps a model.</summary>
    public static string ModelFolder(string name, string cache)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Path.Combine(cache, "models--" + name.Replace("/", "--", StringComparison.Ordinal));
    }

    /// <summary>The commit that a branch or tag stands for; its name may hold slashes but must stay inside refs/.</summary>
    private static string? Commit(string folder, string reference)
    {
        if (!Array.TrueForAll(reference.Split('/'), IsPlain))
        {
            return null;
        }

        var file = new FileInfo(Path.Combine(folder, "refs", reference));
        if (!file.Exists || file.Length > MaxReferenceBytes)
        {
            return null;
        }

        string commit = File.ReadAllText(file.FullName).Trim();
        return IsPlain(commit) ? commit : null;
    }

    /// <summary>A part of a path that names something inside a folder and nothing else.</summary>
    private static bool IsPlain(string part)
    {
        foreach (char c in part)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
            {
                return false;
            }
        }

        return part.Length > 0 && part.Trim('.').Length > 0;
    }
}
