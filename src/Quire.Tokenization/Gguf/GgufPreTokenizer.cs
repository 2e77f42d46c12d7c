using System;
using System.Collections.Generic;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Gguf;

/// <summary>What a name in <c>tokenizer.ggml.pre</c> stands for: the patterns that text is cut by, one after the other, and settings that go with them.</summary>
/// <param name="Name">The name in the file.</param>
/// <param name="Patterns">Each cuts the pieces of the one before; matches and what lies between are pieces.</param>
/// <param name="ComposesText">Whether text is brought into normal form C first.</param>
/// <param name="IgnoreMerges">Whether a piece that is a token as a whole is taken without merging.</param>
/// <param name="AddBos">Whether the beginning token is put in front unless the file says otherwise.</param>
internal sealed record GgufPreTokenizer(
    string Name, IReadOnlyList<string> Patterns, bool ComposesText = false, bool IgnoreMerges = false, bool AddBos = false)
{
    private const string SingleDigit = @"\p{N}";
    private const string Symbols = @"[\p{P}\$\+<=>\^~\|]+";
    private const string DefaultWords = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";

    private static readonly TimeSpan MatchTimeLimit = TimeSpan.FromSeconds(2);

    /// <summary>Every name that is known.</summary>
    public static IReadOnlyList<GgufPreTokenizer> All { get; } =
    [
        new("default", [Symbols, DefaultWords, @"\p{N}+", "[0-9][0-9][0-9]"]),
        .. Same([Gpt2Scanner.Pattern], "gpt-2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe", "exaone4"),
        .. Same([SingleDigit, Gpt2Scanner.Pattern], "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"),
        new("llama-bpe", [LettersAndDigitsScanner.ThreeDigitsPattern], IgnoreMerges: true, AddBos: true),
        new("llama3", [LettersAndDigitsScanner.ThreeDigitsPattern], IgnoreMerges: true, AddBos: true),
        new("llama-v3", [LettersAndDigitsScanner.ThreeDigitsPattern], IgnoreMerges: true, AddBos: true),
        new("falcon3", [LettersAndDigitsScanner.ThreeDigitsPattern], IgnoreMerges: true, AddBos: true),
        .. Same([LettersAndDigitsScanner.ThreeDigitsPattern], "dbrx", "smaug-bpe", "chatglm-bpe", "glm4"),
        new("qwen2", [LettersAndDigitsScanner.OneDigitPattern], ComposesText: true),
        new("deepseek-r1-qwen", [LettersAndDigitsScanner.OneDigitPattern], ComposesText: true),
        .. Same([LettersAndDigitsScanner.OneDigitPattern], "stablelm2", "hunyuan", "megrez"),
        new("qwen35", [LettersAndDigitsScanner.OneDigitMarksPattern], ComposesText: true),
        new("tekken", [CasedWordsScanner.TekkenPattern], IgnoreMerges: true, AddBos: true),
        new("gpt-4o", [CasedWordsScanner.O200kPattern]),
    ];

    /// <summary>The entry of a name, or null.</summary>
    public static GgufPreTokenizer? Find(string name)
    {
        foreach (GgufPreTokenizer entry in All)
        {
            if (entry.Name == name)
                return entry;
        }
        return null;
    }

    /// <summary>The steps that cut the text.</summary>
    public PreTokenizer[] MakeSteps()
    {
        var steps = new PreTokenizer[Patterns.Count];
        for (int i = 0; i < steps.Length; i++)
        {
            steps[i] = PatternScanner.Known(Patterns[i]) is { } scanner
                ? new ScannerSplit(scanner)
                : new MatchSplit(new RegexFinder(Patterns[i], MatchTimeLimit), SplitBehavior.Isolated, invert: false);
        }
        return steps;
    }

    private static GgufPreTokenizer[] Same(string[] patterns, params string[] names) =>
        Array.ConvertAll(names, name => new GgufPreTokenizer(name, patterns));
}
