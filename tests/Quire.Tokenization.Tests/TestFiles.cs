using System;
using System.Collections.Concurrent;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Reflection;

namespace Quire.Tokenization.Tests;

/// <summary>Where the tests find the model that ships, their own data, and the reference files beside the repository.</summary>
internal static class TestFiles
{
    /// <summary>The tokenizers whose files lie beside the repository, not in it.</summary>
    public static readonly string[] SharedNames = ["qwen3", "llama3", "mistral_nemo", "llama2", "gemma3"];

    private static readonly ConcurrentDictionary<string, Lazy<ITokenizer>> Loaded = new();

    public static string Root { get; } = typeof(TestFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static string QuillFolder => Path.Combine(Root, "models", "quill");

    public static string Goldens => Path.Combine(Root, "..", "shared", "goldens");

    public static string Data(string name) => Path.Combine(Root, "tests", "Quire.Tokenization.Tests", "Data", name);

    /// <summary>The tokenizer of that name, loaded once; skips the test when its files are not here.</summary>
    public static ITokenizer Tokenizer(string name)
    {
        if (name == "quill")
            return Loaded.GetOrAdd(name, _ => new Lazy<ITokenizer>(() => TokenizerLoader.Load(QuillFolder))).Value;
        string folder = Path.Combine(Goldens, "tokenizers", name);
        if (!Directory.Exists(folder))
            Assert.Skip($"The reference tokenizer {folder} is not here.");
        return Loaded.GetOrAdd(name, _ => new Lazy<ITokenizer>(() => TokenizerLoader.Parse(
            Unpack(Path.Combine(folder, "tokenizer.json.gz")), File.ReadAllBytes(Path.Combine(folder, "tokenizer_config.json"))))).Value;
    }

    public static byte[] Unpack(string path)
    {
        using var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using var unpacked = new MemoryStream();
        packed.CopyTo(unpacked);
        return unpacked.ToArray();
    }
}
