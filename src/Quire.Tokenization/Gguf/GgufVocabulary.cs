using System.Collections.Generic;

namespace Quire.Tokenization.Gguf;

/// <summary>What a token of a GGUF file is (<c>tokenizer.ggml.token_type</c>).</summary>
public enum GgufTokenType
{
    Undefined = 0,

    /// <summary>A piece of text.</summary>
    Normal = 1,

    /// <summary>Stands for what cannot be expressed.</summary>
    Unknown = 2,

    /// <summary>Controls the conversation; never text.</summary>
    Control = 3,

    /// <summary>Matched in the text before anything else.</summary>
    UserDefined = 4,

    /// <summary>Never produced.</summary>
    Unused = 5,

    /// <summary>One byte, spelled <c>&lt;0xNN&gt;</c>.</summary>
    Byte = 6,
}

/// <summary>
/// The tokenizer of a GGUF file, as its <c>tokenizer.ggml.*</c> keys state it
/// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
/// </summary>
public sealed record GgufVocabulary
{
    /// <summary>Name of the file, for messages.</summary>
    public required string File { get; init; }

    /// <summary><c>gpt2</c> (byte-level BPE), <c>llama</c> (SentencePiece BPE) or <c>t5</c> (SentencePiece unigram); null when the file has no tokenizer.</summary>
    public required string? Model { get; init; }

    /// <summary>The name of the pattern that cuts text into pieces; for <c>gpt2</c>.</summary>
    public string? Pre { get; init; }

    /// <summary>Tokens by id, in the vocabulary's own spelling.</summary>
    public IReadOnlyList<string> Tokens { get; init; } = [];

    /// <summary>One a token; empty when the file has none.</summary>
    public IReadOnlyList<GgufTokenType> Types { get; init; } = [];

    /// <summary>One a token, higher is merged earlier; empty when the file has none.</summary>
    public IReadOnlyList<float> Scores { get; init; } = [];

    /// <summary>Pairs with one space between, best first; empty when the file has none.</summary>
    public IReadOnlyList<string> Merges { get; init; } = [];

    /// <summary>Ids of tokens with a role, by role: <c>bos</c>, <c>eos</c>, <c>unknown</c>, <c>padding</c>.</summary>
    public IReadOnlyDictionary<string, int> Roles { get; init; } = new Dictionary<string, int>();

    /// <summary>Whether the beginning token is put in front; null leaves it to the kind of tokenizer.</summary>
    public bool? AddBos { get; init; }

    /// <summary>Whether the end token is put behind.</summary>
    public bool? AddEos { get; init; }

    /// <summary>Whether text gets a leading space; for <c>llama</c> and <c>t5</c>.</summary>
    public bool? AddSpacePrefix { get; init; }

    /// <summary>Whether runs of spaces become one and those at the ends are dropped; for <c>t5</c>.</summary>
    public bool? RemoveExtraSpaces { get; init; }

    /// <summary>SentencePiece's table of replacements; empty for none. For <c>llama</c> and <c>t5</c>.</summary>
    public System.ReadOnlyMemory<byte> CharacterMap { get; init; }
}
