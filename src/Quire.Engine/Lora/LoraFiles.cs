using System;
using System.IO;
using Quire.Models.Lora;

namespace Quire.Engine.Lora;

/// <summary>The files of an adapter folder, and what tells whether they were changed since.</summary>
internal sealed record LoraFiles(string Folder, long ConfigLength, DateTime ConfigTime, long WeightsLength, DateTime WeightsTime)
{
    public static LoraFiles Of(string folder)
    {
        var config = new FileInfo(Path.Combine(folder, LoraConfig.FileName));
        var weights = new FileInfo(Path.Combine(folder, LoraAdapterReader.WeightsFileName));
        return new LoraFiles(
            folder,
            config.Exists ? config.Length : 0, config.Exists ? config.LastWriteTimeUtc : default,
            weights.Exists ? weights.Length : 0, weights.Exists ? weights.LastWriteTimeUtc : default);
    }

    /// <summary>
    /// The folder that a name from outside means: made absolute, and with <paramref name="root"/> inside it, whatever symbolic links say.
    /// </summary>
    /// <exception cref="QuireException">It lies elsewhere.</exception>
    public static string Resolve(string path, string? root)
    {
        if (path.Length is 0 or > 4096 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw Refused("lora_path must be the path of a folder");
        }

        string folder = root is null ? Path.GetFullPath(path) : Path.GetFullPath(path, Path.GetFullPath(root));
        if (folder.StartsWith(@"\\", StringComparison.Ordinal))
        {
            throw Refused("lora_path must be on this machine");
        }

        if (root is null)
        {
            return folder;
        }

        string inside = Real(Path.GetFullPath(root)) + Path.DirectorySeparatorChar;
        foreach (string each in (ReadOnlySpan<string>)[folder, Path.Combine(folder, LoraConfig.FileName), Path.Combine(folder, LoraAdapterReader.WeightsFileName)])
        {
            if (!Real(each).StartsWith(inside, StringComparison.Ordinal))
            {
                throw Refused("lora_path must be inside the folder that lora_root names");
            }
        }

        return folder;
    }

    /// <summary>The path with every symbolic link on the way followed.</summary>
    private static string Real(string path)
    {
        string root = Path.GetPathRoot(path)!;
        string real = root;
        foreach (string part in path[root.Length..].Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            FileSystemInfo info = Directory.Exists(real) ? new DirectoryInfo(real) : new FileInfo(real);
            try
            {
                if (info.LinkTarget is not null && info.ResolveLinkTarget(returnFinalTarget: true) is { } target)
                {
                    // What a link points to may itself lie behind links; they are followed from the beginning.
                    real = Real(Path.GetFullPath(target.FullName));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw Refused("lora_path cannot be followed");
            }
        }

        return Path.TrimEndingDirectorySeparator(real);
    }

    private static QuireException Refused(string message) => new(ErrorCodes.BadRequest, ErrorKind.Request, message, "lora_path");
}
