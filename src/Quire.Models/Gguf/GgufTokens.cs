using System;
using System.Collections.Generic;

namespace Quire.Models.Gguf;

/// <summary>The token ids with a role that a GGUF file names.</summary>
public static class GgufTokens
{
    /// <summary>Most tokens of a vocabulary that is read.</summary>
    public const int TokensMax = 1 << 22;

    private const string Prefix = "tokenizer.ggml.";

    // token_type of tokens that control the conversation and are not text.
    private const int ControlType = 3;

    /// <summary>Control tokens that end a turn in some family; older files name the end of the text only.</summary>
    private static readonly HashSet<string> EndSpellings = new(StringComparer.Ordinal)
    {
        "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "</s>",
    };

    /// <summary>The id under tokenizer.ggml.<paramref name="role"/>, such as eos_token_id; null when absent.</summary>
    public static int? Id(GgufMetadata metadata, string role)
    {
        ArgumentNullException.ThrowIfNull(metadata);

        // Some writers put −1 (as an unsigned number) for "none".
        string key = Prefix + role;
        return metadata.Number(key, double.MinValue, double.MaxValue) is >= 0 and < TokensMax ? metadata.Integer(key, 0, TokensMax - 1) : null;
    }

    /// <summary>Every token that ends an answer: the named ones first, then control tokens known by their spelling.</summary>
    public static IReadOnlyList<int> EndIds(GgufMetadata metadata)
    {
        var ids = new List<int>();
        foreach (string role in (ReadOnlySpan<string>)["eos_token_id", "eot_token_id", "eom_token_id"])
        {
            if (Id(metadata, role) is { } id && !ids.Contains(id))
            {
                ids.Add(id);
            }
        }

        int[] types = metadata.Integers(Prefix + "token_type", TokensMax) ?? [];
        if (types.Length == 0 || metadata.Texts(Prefix + "tokens", TokensMax) is not { } tokens)
        {
            return ids;
        }

        for (int i = 0; i < Math.Min(types.Length, tokens.Length); i++)
        {
            if (types[i] == ControlType && EndSpellings.Contains(tokens[i]) && !ids.Contains(i))
            {
                ids.Add(i);
            }
        }

        return ids;
    }
}
