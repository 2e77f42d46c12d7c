using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Quire.Cuda.Compilation;
using Quire.Cuda.Interop;

namespace Quire.Cuda.Blas;

/// <summary>
/// The outcome of trials of matrix products in a file of text, one line a shape. Algorithms mean something only to the card, the driver
/// and the version of the library that they were tried with, so these are the file's identity. Lines that are damaged are not used.
/// </summary>
internal sealed class TuningFile
{
    private const string Format = "quire-matmul-1";
    private const long FolderBytes = 16L << 20;
    private readonly CacheFolder _folder;
    private readonly string _identity;
    private readonly string _name;
    private readonly Dictionary<string, string> _lines;

    /// <param name="folder">The cache folder.</param>
    /// <param name="identity">Card, driver and library version, on one line.</param>
    public TuningFile(string folder, string identity)
    {
        _folder = new CacheFolder(folder, "matmul-*.txt", FolderBytes);
        _identity = identity.ReplaceLineEndings(" ");
        _name = $"matmul-{Hash(_identity, 16)}.txt";
        _lines = Read();
    }

    public bool TryFind(in MatmulShape shape, out MatmulAlgo algorithm)
    {
        algorithm = default;
        return _lines.TryGetValue(shape.ToString(), out string? line) && TryParse(line, out _, out algorithm);
    }

    /// <summary>Keeps an algorithm, here and, if the folder allows it, in the file, beside what other processes have written there.</summary>
    public void Remember(in MatmulShape shape, MatmulAlgo algorithm, double micros)
    {
        foreach ((string other, string line) in Read())
        {
            _lines.TryAdd(other, line);
        }

        _lines[shape.ToString()] = FormatLine(shape, algorithm, micros);
        var text = new StringBuilder();
        text.Append(Format).Append(' ').Append(_identity).Append('\n');
        foreach (string line in _lines.Values)
        {
            text.Append(line).Append('\n');
        }

        _folder.Write(_name, Encoding.UTF8.GetBytes(text.ToString()));
    }

    /// <summary>Shape, algorithm in hexadecimal, microseconds, checksum of these; with spaces in between.</summary>
    internal static string FormatLine(in MatmulShape shape, MatmulAlgo algorithm, double micros)
    {
        string bytes = Convert.ToHexStringLower(MemoryMarshal.AsBytes(new ReadOnlySpan<MatmulAlgo>(in algorithm)));
        string content = string.Create(CultureInfo.InvariantCulture, $"{shape} {bytes} {micros:0.00}");
        return $"{content} {Hash(content, 8)}";
    }

    internal static bool TryParse(string line, out string shape, out MatmulAlgo algorithm)
    {
        shape = "";
        algorithm = default;
        string[] parts = line.Split(' ');
        if (parts.Length != 4 || parts[1].Length != 2 * MatmulAlgo.SizeInBytes || Hash(line[..line.LastIndexOf(' ')], 8) != parts[3])
        {
            return false;
        }

        shape = parts[0];
        algorithm = MemoryMarshal.Read<MatmulAlgo>(Convert.FromHexString(parts[1]));
        return true;
    }

    private static string Hash(string text, int digits) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..digits];

    private Dictionary<string, string> Read()
    {
        var lines = new Dictionary<string, string>(StringComparer.Ordinal);
        string[] text = _folder.Read(_name) is { } bytes ? Encoding.UTF8.GetString(bytes).Split('\n') : [];
        if (text.Length > 0 && text[0] == $"{Format} {_identity}")
        {
            foreach (string line in text.AsSpan(1))
            {
                if (TryParse(line, out string shape, out _))
                {
                    lines[shape] = line;
                }
            }
        }

        return lines;
    }
}
