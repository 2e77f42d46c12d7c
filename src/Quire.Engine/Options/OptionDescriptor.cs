using System;
using System.Collections.Generic;

namespace Quire.Engine.Options;

/// <summary>Who reads an option.</summary>
public enum OptionScope
{
    /// <summary>The engine: every command that loads a model.</summary>
    Engine,

    /// <summary>The HTTP server only.</summary>
    Server,
}

/// <summary>The heading an option stands under, in help and in <c>docs/options.md</c>.</summary>
public enum OptionGroup
{
    Model,
    Memory,
    Scheduler,
    Loading,
    Parallel,
    Quantization,
    Lora,
    Speculation,
    Compilation,
    StructuredOutputs,
    Server,
    ServerChat,
    ServerLogging,
    ServerSecurity,
}

/// <summary>What a value is, and so how its text is read.</summary>
public enum OptionKind
{
    /// <summary><see langword="bool"/>; <c>--x</c> and <c>--no-x</c>.</summary>
    Flag,

    /// <summary><see langword="long"/>.</summary>
    Integer,

    /// <summary><see langword="long"/>, also written <c>25.6k</c> (decimal) or <c>1K</c> (binary).</summary>
    Size,

    /// <summary><see langword="double"/>.</summary>
    Number,

    /// <summary><see langword="string"/>.</summary>
    Text,

    /// <summary><see langword="string"/>, one of <see cref="OptionDescriptor.Choices"/>, whatever its case.</summary>
    Choice,

    /// <summary>One or more <see langword="string"/>s.</summary>
    TextList,

    /// <summary>A <see cref="System.Text.Json.JsonElement"/>; also built from dotted keys.</summary>
    Json,
}

/// <summary>What happens to a value that is not the default.</summary>
public enum OptionEffect
{
    /// <summary>It does what its help says.</summary>
    Effective,

    /// <summary>It is accepted and changes nothing here; one warning says so. Only for what cannot change a result.</summary>
    Hint,

    /// <summary>It is refused: accepting it would promise something that this version does not do.</summary>
    Refused,
}

/// <summary>One option as data: the single source for parsing, checks, help, documentation and explanations.</summary>
public sealed record OptionDescriptor
{
    /// <summary>vLLM's name, in snake_case.</summary>
    public required string Name { get; init; }

    public required OptionGroup Group { get; init; }

    public required OptionKind Kind { get; init; }

    /// <summary>The default as users read it; how it comes about may depend on model and machine.</summary>
    public required string Default { get; init; }

    /// <summary>A sentence or two.</summary>
    public required string Help { get; init; }

    public OptionScope Scope { get; init; } = OptionScope.Engine;

    public OptionEffect Effect { get; init; } = OptionEffect.Effective;

    /// <summary>For <see cref="OptionEffect.Hint"/> and <see cref="OptionEffect.Refused"/>: the reason, and what to use instead.</summary>
    public string Note { get; init; } = "";

    /// <summary>Values that mean the same as the default, as text, beside <see cref="Default"/> itself.</summary>
    public IReadOnlyList<string> Neutral { get; init; } = [];

    /// <summary>Of a <see cref="OptionKind.Choice"/>: every accepted value.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>Of a <see cref="OptionKind.Choice"/>: known values that are refused in this version.</summary>
    public IReadOnlyList<string> RefusedChoices { get; init; } = [];

    public double? Minimum { get; init; }

    /// <summary>True when <see cref="Minimum"/> itself is not allowed.</summary>
    public bool MinimumIsExclusive { get; init; }

    public double? Maximum { get; init; }

    /// <summary>True when <see cref="Maximum"/> itself is not allowed.</summary>
    public bool MaximumIsExclusive { get; init; }

    /// <summary>True for integers that may need 64 bits: bytes and seeds.</summary>
    public bool IsWide { get; init; }

    /// <summary>Values outside the kind that stand for a number, such as <c>auto</c> for −1.</summary>
    public IReadOnlyDictionary<string, long>? Keywords { get; init; }

    /// <summary>Short flags with their dash, such as <c>-tp</c>.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The name as a flag: <c>--max-num-seqs</c>.</summary>
    public string Flag => "--" + Name.Replace('_', '-');

    /// <summary>The environment variable: <c>QUIRE_MAX_NUM_SEQS</c>.</summary>
    public string EnvironmentVariable => "QUIRE_" + Name.ToUpperInvariant();

    /// <summary>Whether what was set is no more than the default.</summary>
    public bool IsNeutral(object value)
    {
        string text = OptionValue.Format(value);
        if (string.Equals(text, Default, StringComparison.OrdinalIgnoreCase))
            return true;
        foreach (string neutral in Neutral)
        {
            if (string.Equals(text, neutral, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
