using System;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Quire.Cuda.Compilation;

/// <summary>
/// A compiled kernel in a file: magic number, format version, length of the code, SHA-256 of the code, fingerprint of what it was compiled from, the
/// compiler's version in 32 bytes, the code. A file that was cut short, damaged or made for something else is noticed and not used.
/// </summary>
internal static class CubinFile
{
    /// <summary>Raised whenever the layout changes.</summary>
    public const int FormatVersion = 1;

    private const int VersionBytes = 32;
    private const int HashBytes = 32;
    private const int HeaderBytes = 8 + 4 + 4 + HashBytes + HashBytes + VersionBytes;

    private static ReadOnlySpan<byte> Magic => "QRCUBIN\n"u8;

    /// <summary>The file's bytes.</summary>
    /// <param name="cubin">The code.</param>
    /// <param name="fingerprint">32 bytes of <see cref="KernelSources.Fingerprint"/>.</param>
    /// <param name="compilerVersion">At most 32 bytes as UTF-8.</param>
    public static byte[] Encode(ReadOnlySpan<byte> cubin, ReadOnlySpan<byte> fingerprint, string compilerVersion)
    {
        byte[] file = new byte[checked(HeaderBytes + cubin.Length)];
        Span<byte> rest = file;
        Magic.CopyTo(rest);
        BinaryPrimitives.WriteInt32LittleEndian(rest[8..], FormatVersion);
        BinaryPrimitives.WriteInt32LittleEndian(rest[12..], cubin.Length);
        SHA256.HashData(cubin, rest[16..]);
        fingerprint.CopyTo(rest[48..]);
        Encoding.UTF8.GetBytes(compilerVersion, rest.Slice(80, VersionBytes));
        cubin.CopyTo(rest[HeaderBytes..]);
        return file;
    }

    /// <summary>The code of a file, if it is whole and was compiled from what the fingerprint stands for.</summary>
    /// <param name="file">The file's bytes.</param>
    /// <param name="fingerprint">What the code has to be compiled from.</param>
    /// <param name="compilerVersion">The compiler that it has to come from, or null for any.</param>
    /// <param name="cubin">The code.</param>
    public static bool TryDecode(ReadOnlySpan<byte> file, ReadOnlySpan<byte> fingerprint, string? compilerVersion, [NotNullWhen(true)] out byte[]? cubin)
    {
        cubin = null;
        if (file.Length <= HeaderBytes
            || !file.StartsWith(Magic)
            || BinaryPrimitives.ReadInt32LittleEndian(file[8..]) != FormatVersion
            || BinaryPrimitives.ReadInt32LittleEndian(file[12..]) != file.Length - HeaderBytes
            || !file.Slice(48, HashBytes).SequenceEqual(fingerprint)
            || (compilerVersion is not null && Encoding.UTF8.GetString(file.Slice(80, VersionBytes)).TrimEnd('\0') != compilerVersion))
        {
            return false;
        }

        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(file[HeaderBytes..], hash);
        if (!hash.SequenceEqual(file.Slice(16, HashBytes)))
        {
            return false;
        }

        cubin = file[HeaderBytes..].ToArray();
        return true;
    }
}
