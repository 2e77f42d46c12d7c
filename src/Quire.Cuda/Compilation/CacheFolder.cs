using System;
using System.IO;
using System.Linq;

namespace Quire.Cuda.Compilation;

/// <summary>
/// A folder of small files that several processes share: files appear whole or not at all, and a folder that cannot be read or
/// written costs time and nothing else.
/// </summary>
/// <param name="path">The folder, made when something is written.</param>
/// <param name="pattern">Which files in it are the cache's.</param>
/// <param name="maxBytes">Bytes that those files may have together.</param>
internal sealed class CacheFolder(string path, string pattern, long maxBytes)
{
    /// <summary>Larger files are not ours.</summary>
    private const long LargestFile = 256L << 20;

    /// <summary>The whole file, or null when there is none or it cannot be read.</summary>
    public byte[]? Read(string name)
    {
        string file = Path.Combine(path, name);
        try
        {
            var information = new FileInfo(file);
            return information.Exists && information.Length <= LargestFile ? File.ReadAllBytes(file) : null;
        }
        catch (Exception exception) when (IsFileTrouble(exception))
        {
            return null;
        }
    }

    /// <summary>Notes that a file was of use, so that it is among the last to be deleted.</summary>
    public void Touch(string name)
    {
        try
        {
            File.SetLastWriteTimeUtc(Path.Combine(path, name), DateTime.UtcNow);
        }
        catch (Exception exception) when (IsFileTrouble(exception))
        {
            // A folder that may only be read is as good.
        }
    }

    /// <summary>Writes a file, replacing one of that name. False when the folder does not allow it.</summary>
    public bool Write(string name, ReadOnlySpan<byte> bytes)
    {
        string? temporary = null;
        try
        {
            // What lies here runs on the device or steers it: only the user may write.
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(path);
            }
            else
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            temporary = Path.Combine(path, $".{Path.GetRandomFileName()}.tmp");
            File.WriteAllBytes(temporary, bytes);
            File.Move(temporary, Path.Combine(path, name), overwrite: true);
            temporary = null;
            Shrink(name);
            return true;
        }
        catch (Exception exception) when (IsFileTrouble(exception))
        {
            Delete(temporary);
            return false;
        }
    }

    private static bool IsFileTrouble(Exception exception) => exception is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException;

    private static void Delete(string? file)
    {
        try
        {
            if (file is not null)
            {
                File.Delete(file);
            }
        }
        catch (Exception exception) when (IsFileTrouble(exception))
        {
            // Left behind: the next process has another name for its own.
        }
    }

    /// <summary>Deletes the files that were not used for the longest time, but never the one just written.</summary>
    private void Shrink(string newest)
    {
        FileInfo[] files = [.. new DirectoryInfo(path).GetFiles(pattern).OrderByDescending(file => file.Name == newest).ThenByDescending(file => file.LastWriteTimeUtc)];
        long bytes = 0;
        foreach (FileInfo file in files)
        {
            bytes += file.Length;
            if (bytes > maxBytes && file.Name != newest)
            {
                Delete(file.FullName);
            }
        }
    }
}
