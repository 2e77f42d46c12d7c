using System;
using System.Collections.Generic;

namespace Quire.Core.Requests;

/// <summary>When a caller gets outputs, and whether each holds everything so far.</summary>
public enum RequestOutputKind
{
    /// <summary>Every output holds all that was generated so far.</summary>
    Cumulative = 0,

    /// <summary>Every output holds only what is new.</summary>
    Delta = 1,

    /// <summary>One output, when the request has finished.</summary>
    FinalOnly = 2,
}

/// <summary>
/// How tokens are chosen and when generation stops: vLLM's SamplingParams, field by field, with its defaults.
/// Call <see cref="Normalized"/> and <see cref="Validate"/> before use; what needs a model (vocabulary, context length) is checked by the engine.
/// </summary>
public sealed record SamplingParams
{
    /// <summary>The most outputs for one prompt.</summary>
    public const int MaxN = 16384;

    /// <summary>Below this, a temperature means greedy.</summary>
    public const double GreedyEpsilon = 1e-5;

    /// <summary>Temperatures above 0 and below this are raised to it.</summary>
    public const double SmallestTemperature = 1e-2;

    /// <summary>The most entries of <see cref="LogprobTokenIds"/>.</summary>
    public const int MaxLogprobTokenIds = 128;

    /// <summary>Outputs for the prompt.</summary>
    public int N { get; init; } = 1;

    /// <summary>Subtracted from the logit of every token that stands in the output.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted once per occurrence in the output.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens in prompt or output.</summary>
    public double RepetitionPenalty { get; init; } = 1.0;

    /// <summary>0 is greedy.</summary>
    public double Temperature { get; init; } = 1.0;

    /// <summary>Keep the most likely tokens up to this sum of probability.</summary>
    public double TopP { get; init; } = 1.0;

    /// <summary>Keep this many tokens; 0 or −1 is off.</summary>
    public int TopK { get; init; }

    /// <summary>Drop tokens less likely than this times the most likely one.</summary>
    public double MinP { get; init; }

    /// <summary>Null (or −1) draws a seed.</summary>
    public long? Seed { get; init; }

    /// <summary>Texts that end the output.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Token ids that end the output.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    public bool IgnoreEos { get; init; }

    /// <summary>Null means up to the context length.</summary>
    public int? MaxTokens { get; init; } = 16;

    public int MinTokens { get; init; }

    /// <summary>Log-probabilities of this many best tokens per position; −1 is all; null is none.</summary>
    public int? Logprobs { get; init; }

    /// <summary>The same for the prompt.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>Log-probabilities of exactly these ids beside the sampled token.</summary>
    public IReadOnlyList<int>? LogprobTokenIds { get; init; }

    /// <summary>vLLM's flat form of the result; the values are the same.</summary>
    public bool FlatLogprobs { get; init; }

    public bool Detokenize { get; init; } = true;

    public bool SkipSpecialTokens { get; init; } = true;

    public bool SpacesBetweenSpecialTokens { get; init; } = true;

    public bool IncludeStopStrInOutput { get; init; }

    public RequestOutputKind OutputKind { get; init; } = RequestOutputKind.Cumulative;

    /// <summary>Send a chunk every this many tokens; only raises the engine's own interval.</summary>
    public int? StreamInterval { get; init; }

    public StructuredOutputs? StructuredOutputs { get; init; }

    /// <summary>Added to logits by token id. −∞ forbids a token. The server clamps what clients send to [−100, 100].</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Only these tokens may be sampled.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    /// <summary>Texts whose last token is never sampled when it would complete them.</summary>
    public IReadOnlyList<string> BadWords { get; init; } = [];

    /// <summary>What <c>vllm_xargs</c> carried; each value is raw JSON.</summary>
    public IReadOnlyDictionary<string, string>? ExtraArgs { get; init; }

    /// <summary>The most tokens inside the thinking section; null (or −1) is no limit.</summary>
    public int? ThinkingTokenBudget { get; init; }

    public RepetitionDetection? RepetitionDetection { get; init; }

    /// <summary>Null becomes true exactly when prompt log-probabilities are asked for, since cached positions are not computed.</summary>
    public bool? SkipReadingPrefixCache { get; init; }

    /// <summary>Whether the best token is taken instead of a drawn one.</summary>
    public bool IsGreedy => Temperature < GreedyEpsilon;

    /// <summary>UTF-16 units of text to hold back while streaming, so that no part of a stop text is sent before it is complete.</summary>
    public int StopHoldBackLength
    {
        get
        {
            if (IncludeStopStrInOutput)
                return 0;
            int longest = 0;
            foreach (string stop in Stop)
                longest = Math.Max(longest, stop.Length);
            return Math.Max(0, longest - 1);
        }
    }

    /// <summary>
    /// The same parameters as the sampler takes them: tiny temperatures raised, −1 seeds dropped, duplicates removed, filters that greedy
    /// ignores switched off. It does not check ranges.
    /// </summary>
    public SamplingParams Normalized(out IReadOnlyList<string> warnings)
    {
        List<string>? notes = null;
        double temperature = Temperature;
        if (temperature is > 0 and < SmallestTemperature)
        {
            (notes = []).Add($"temperature {PythonRepr.Number(temperature)} is less than {PythonRepr.Number(SmallestTemperature)}, which may cause "
                + $"numerical errors nan or inf in tensors. We have maxed it out to {PythonRepr.Number(SmallestTemperature)}.");
            temperature = SmallestTemperature;
        }

        bool greedy = temperature < GreedyEpsilon;
        warnings = notes ?? (IReadOnlyList<string>)[];
        return this with
        {
            Temperature = temperature,
            Seed = Seed == -1 ? null : Seed,
            ThinkingTokenBudget = ThinkingTokenBudget == -1 ? null : ThinkingTokenBudget,
            TopP = greedy ? 1.0 : TopP,
            TopK = greedy || TopK == -1 ? 0 : TopK,
            MinP = greedy ? 0.0 : MinP,
            StopTokenIds = WithoutDuplicates(StopTokenIds),
            BadWords = WithoutDuplicates(BadWords),
            SkipReadingPrefixCache = SkipReadingPrefixCache ?? (PromptLogprobs is not null),
        };
    }

    /// <summary>Null when every field is in its range; otherwise the first violation, in vLLM's order and words.</summary>
    public Refusal? Validate() => SamplingChecks.FirstViolation(this);

    private static IReadOnlyList<T> WithoutDuplicates<T>(IReadOnlyList<T> items)
    {
        if (items.Count < 2)
            return items;
        var seen = new HashSet<T>();
        var kept = new List<T>(items.Count);
        foreach (T item in items)
        {
            if (seen.Add(item))
                kept.Add(item);
        }

        return kept;
    }
}
