using System.IO;
using Microsoft.Win32.SafeHandles;

namespace Quire.Models.Config;

/// <summary>The size of what is read, not of a link to it: the Hugging Face cache holds links.</summary>
internal static class FileSize
{
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    public static long Of(string path)
    {
        using SafeFileHandle handle = File.OpenHandle(path);
        return RandomAccess.GetLength(handle);
    }
}
