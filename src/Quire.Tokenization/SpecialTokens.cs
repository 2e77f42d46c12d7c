using System;
using System.Collections.Generic;

namespace Quire.Tokenization;

/// <summary>A token with a role: its text and, when the vocabulary has it, its id.</summary>
public sealed record SpecialToken(string Text, int? Id);

/// <summary>The tokens with a role that a model folder names; each may be absent.</summary>
public sealed record SpecialTokens
{
    /// <summary>No token has a role.</summary>
    public static readonly SpecialTokens None = new();

    public SpecialToken? Bos { get; init; }

    public SpecialToken? Eos { get; init; }

    public SpecialToken? Pad { get; init; }

    public SpecialToken? Unk { get; init; }

    /// <summary>
    /// Every named token as chat templates see it: <c>bos_token</c>, <c>eos_token</c>, <c>pad_token</c>, <c>unk_token</c>, and what else
    /// the
    /// folder names in the same way (<c>sep_token</c>, <c>image_token</c>, …), by that name.
    /// </summary>
    public IReadOnlyDictionary<string, string> Named { get; init; } = new SortedDictionary<string, string>(StringComparer.Ordinal);
}
