using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Quire.Cuda.Compilation;

/// <summary>The CUDA C++ sources of the kernels: files that are compiled (.cu) and headers that every one of them may include (.cuh).</summary>
internal sealed class KernelSources
{
    private readonly SortedDictionary<string, string> _texts;

    public KernelSources(IEnumerable<KeyValuePair<string, string>> texts)
    {
        _texts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string text) in texts)
        {
            _texts.Add(name, text);
        }

        Headers = [.. _texts.Where(pair => pair.Key.EndsWith(".cuh", StringComparison.Ordinal))];
    }

    /// <summary>Names of the files that are compiled.</summary>
    public IEnumerable<string> Names => _texts.Keys.Where(name => name.EndsWith(".cu", StringComparison.Ordinal));

    /// <summary>Names and texts of the headers, in order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; }

    /// <summary>The sources that this assembly carries.</summary>
    public static KernelSources Embedded()
    {
        Assembly assembly = typeof(KernelSources).Assembly;
        return new KernelSources(assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".cu", StringComparison.Ordinal) || name.EndsWith(".cuh", StringComparison.Ordinal))
            .Select(name => KeyValuePair.Create(name, Read(assembly, name))));
    }

    /// <exception cref="ArgumentException">There is no such file.</exception>
    public string this[string name] => _texts.TryGetValue(name, out string? text)
        ? text
        : throw new ArgumentException($"There is no kernel source {name}; there are {string.Join(", ", Names)}.", nameof(name));

    /// <summary>SHA-256 of everything that the compiled code depends on, but for the compiler itself.</summary>
    public byte[] Fingerprint(string name, IReadOnlyList<string> options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, $"quire-cubin-{CubinFile.FormatVersion}");
        Append(hash, name);
        Append(hash, this[name]);
        foreach ((string header, string text) in Headers)
        {
            Append(hash, header);
            Append(hash, text);
        }

        foreach (string option in options)
        {
            Append(hash, option);
        }

        return hash.GetHashAndReset();
    }

    private static void Append(IncrementalHash hash, string text)
    {
        // The length in front keeps neighbours apart.
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.GetBytes(bytes.Length));
        hash.AppendData(bytes);
    }

    private static string Read(Assembly assembly, string name)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
