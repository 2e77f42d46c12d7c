using System;
using System.IO;
using Quire.Tokenization.Gguf;
using Quire.Tokenization.Loading;

namespace Quire.Tokenization;

/// <summary>Makes a tokenizer from the files of a model folder.</summary>
public static class TokenizerLoader
{
    private const string TokenizerFile = "tokenizer.json";
    private const string ConfigFile = "tokenizer_config.json";
    private const string SpecialTokensFile = "special_tokens_map.json";

    /// <summary>
    /// Reads <c>tokenizer.json</c> and, where present, <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> of a folder.
    /// Without the first, <c>tekken.json</c>, <c>tokenizer.model</c> (SentencePiece) or <c>vocab.json</c> and <c>merges.txt</c>. Byte-pair models are supported,
    /// byte-level (GPT-2, Llama-3, Qwen, Mistral-Nemo) and SentencePiece-style (Llama-2, Gemma), and unigram models.
    /// </summary>
    /// <exception cref="TokenizerException">A file is missing, broken, or asks for something that is not supported.</exception>
    public static ITokenizer Load(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        string path = Path.Combine(folder, TokenizerFile);
        var config = new TokenizerConfig();
        foreach (string name in (string[])[ConfigFile, SpecialTokensFile])
        {
            string configPath = Path.Combine(folder, name);
            if (File.Exists(configPath))
                config.Merge(JsonPart.ReadFile(configPath));
        }
        if (File.Exists(path))
            return TokenizerJsonReader.Read(JsonPart.ReadFile(path), config);
        string tekken = Path.Combine(folder, TekkenReader.FileName);
        if (File.Exists(tekken))
            return TekkenReader.Read(JsonPart.ReadFile(tekken), config);
        return VocabularyFiles.TryLoad(folder, config) ?? throw new TokenizerException(
            $"{folder} has no {TokenizerFile}, no tekken.json, no tokenizer.model and no vocab.json with merges.txt; "
            + "save the tokenizer with the Hugging Face library to get one of them.");
    }

    /// <summary>A tokenizer from the keys of a GGUF file.</summary>
    /// <exception cref="TokenizerException">The keys contradict each other, or ask for something that is not supported.</exception>
    public static ITokenizer FromGguf(GgufVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        return GgufTokenizerReader.Read(vocabulary);
    }

    /// <summary>The same from the contents of the files.</summary>
    /// <param name="tokenizerJson">The bytes of <c>tokenizer.json</c>.</param>
    /// <param name="configJson">The bytes of <c>tokenizer_config.json</c>; empty when there is none.</param>
    /// <exception cref="TokenizerException">A file is broken, or asks for something that is not supported.</exception>
    public static ITokenizer Parse(ReadOnlyMemory<byte> tokenizerJson, ReadOnlyMemory<byte> configJson = default)
    {
        var config = new TokenizerConfig();
        if (!configJson.IsEmpty)
            config.Merge(JsonPart.Parse(ConfigFile, configJson));
        return TokenizerJsonReader.Read(JsonPart.Parse(TokenizerFile, tokenizerJson), config);
    }
}
