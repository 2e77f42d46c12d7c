using System.Globalization;
using System.IO;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Gguf;

namespace Quire.Models.Tests.Support;

/// <summary>Makes GGUF files for tests.</summary>
internal static class GgufFiles
{
    /// <summary>Writes a model folder as a GGUF file and returns its path.</summary>
    public static string Convert(string folder, string outputType, TemporaryFolder target)
    {
        string path = target.File(outputType + GgufFile.Extension);
        using FileStream stream = File.Create(path);
        GgufExport.Write(folder, "test", outputType, Tokenizer(HfConfig.Load(folder)), stream);
        return path;
    }

    /// <summary>A vocabulary of the model's size whose tokens mean nothing.</summary>
    private static GgufTokenizerKeys Tokenizer(HfConfig config)
    {
        int size = config.Text.Int32("vocab_size", 1, 1 << 20);
        return new GgufTokenizerKeys
        {
            Model = "gpt2",
            Pre = "gpt-2",
            Tokens = [.. Enumerable.Range(0, size).Select(id => string.Create(CultureInfo.InvariantCulture, $"t{id}"))],
            Types = [.. Enumerable.Repeat(1, size)],
            Merges = ["t 1"],
            Ids = [new("eos_token_id", 2)],
            Flags = [new("add_bos_token", false)],
        };
    }
}
