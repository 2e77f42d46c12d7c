using System;
using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Engine.Sampling;

/// <summary>
/// What one request asks of the sampler, in the form in which the sampler needs it. Made once at admission and shared by all outputs of
/// the request.
/// </summary>
public sealed class SamplerSettings
{
    // A factor or its inverse that left the range of floats would make NaN of 0 and −∞.
    private const float SmallestNormal = 1.17549435e-38f;

    private SamplerSettings(SamplingParams sampling, int vocabularySize, LogprobsMode mode)
    {
        VocabularySize = vocabularySize;
        LogprobsMode = mode;
        IsGreedy = sampling.Temperature <= 0;
        Temperature = IsGreedy ? 1.0 : Math.Max(sampling.Temperature, SamplingParams.SmallestTemperature);
        TopP = IsGreedy ? 1.0 : sampling.TopP;
        MinP = IsGreedy ? 0.0 : sampling.MinP;
        TopK = IsGreedy || sampling.TopK <= 0 || sampling.TopK >= vocabularySize ? 0 : sampling.TopK;
        RepetitionPenalty = (float)Math.Clamp(sampling.RepetitionPenalty, SmallestNormal, float.MaxValue);
        FrequencyPenalty = (float)sampling.FrequencyPenalty;
        PresencePenalty = (float)sampling.PresencePenalty;
        Seed = sampling.Seed == -1 ? null : sampling.Seed;
        MinTokens = sampling.MinTokens;
        ExpectedTokens = sampling.MaxTokens ?? 0;
        LogprobTokenIds = sampling.LogprobTokenIds is { Count: > 0 } ids ? [.. ids] : null;
        LogprobCount = sampling.Logprobs == -1 ? vocabularySize : sampling.Logprobs ?? LogprobTokenIds?.Length;
    }

    public int VocabularySize { get; }

    /// <summary>Whether the best token is taken instead of a drawn one; temperature and filters are then without effect.</summary>
    public bool IsGreedy { get; }

    /// <summary>At least 0.01; 1 when greedy.</summary>
    public double Temperature { get; }

    public double TopP { get; }

    /// <summary>0 is off.</summary>
    public int TopK { get; }

    public double MinP { get; }

    /// <summary>The log-probabilities to report beside the sampled token's; null means none at all.</summary>
    public int? LogprobCount { get; }

    /// <summary>The tokens to report instead of the best ones.</summary>
    public int[]? LogprobTokenIds { get; }

    public LogprobsMode LogprobsMode { get; }

    internal float RepetitionPenalty { get; }

    internal float FrequencyPenalty { get; }

    internal float PresencePenalty { get; }

    internal long? Seed { get; }

    internal int MinTokens { get; }

    internal int ExpectedTokens { get; }

    /// <summary>Tokens that are masked while fewer than <see cref="MinTokens"/> were generated.</summary>
    internal int[] MinTokensMask { get; private init; } = [];

    internal int[] BiasIds { get; private init; } = [];

    internal float[] Biases { get; private init; } = [];

    /// <summary>The allowed tokens in the form of <see cref="TokenMask"/>; null when all are.</summary>
    internal uint[]? AllowedMask { get; private init; }

    internal int[][] BadWords { get; private init; } = [];

    /// <summary>How many tokens of the output bad words look back at.</summary>
    internal int BadWordReach { get; private init; }

    internal bool HasPenalties => RepetitionPenalty != 1f || FrequencyPenalty != 0f || PresencePenalty != 0f;

    /// <summary>
    /// The parameters need not be normalized, but must have passed <see cref="SamplingParams.Validate"/> and <see cref="SamplingChecks"/>.
    /// </summary>
    /// <param name="sampling">The request's parameters.</param>
    /// <param name="vocabularySize">The length of a row of logits.</param>
    /// <param name="endTokenIds">
    /// All end-of-sequence tokens of the model and its generation config, with ignore_eos too: min_tokens masks them.
    /// </param>
    /// <param name="badWords">What bad_words were tokenised to, see <see cref="BadWordTokens"/>.</param>
    /// <param name="mode">What is reported as a log-probability.</param>
    public static SamplerSettings Create(
        SamplingParams sampling,
        int vocabularySize,
        IReadOnlyList<int>? endTokenIds = null,
        IReadOnlyList<int[]>? badWords = null,
        LogprobsMode mode = LogprobsMode.RawLogprobs)
    {
        ArgumentNullException.ThrowIfNull(sampling);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        (int[] biasIds, float[] biases) = Biased(sampling.LogitBias, vocabularySize);
        int reach = 0;
        foreach (int[] word in badWords ?? [])
            reach = Math.Max(reach, word.Length - 1);
        return new SamplerSettings(sampling, vocabularySize, mode)
        {
            MinTokensMask = sampling.MinTokens > 0 ? Masked(sampling.StopTokenIds, endTokenIds ?? [], vocabularySize) : [],
            BiasIds = biasIds,
            Biases = biases,
            AllowedMask = Allowed(sampling.AllowedTokenIds, vocabularySize),
            BadWords = badWords is null ? [] : [.. badWords],
            BadWordReach = reach,
        };
    }

    private static int[] Masked(IReadOnlyList<int> stopIds, IReadOnlyList<int> endIds, int vocabularySize)
    {
        var masked = new SortedSet<int>();
        foreach (int id in stopIds)
            masked.Add(id);
        foreach (int id in endIds)
            masked.Add(id);
        masked.RemoveWhere(id => id < 0 || id >= vocabularySize);
        return [.. masked];
    }

    private static (int[] Ids, float[] Values) Biased(IReadOnlyDictionary<int, float>? bias, int vocabularySize)
    {
        var ids = new List<int>();
        var values = new List<float>();
        foreach ((int id, float value) in bias ?? new Dictionary<int, float>())
        {
            if (id < 0 || id >= vocabularySize)
                continue;
            ids.Add(id);
            values.Add(value);
        }

        return ([.. ids], [.. values]);
    }

    private static uint[]? Allowed(IReadOnlyList<int>? ids, int vocabularySize)
    {
        if (ids is null)
            return null;
        var words = new uint[TokenMask.WordCount(vocabularySize)];
        foreach (int id in ids)
        {
            if (id >= 0 && id < vocabularySize)
                TokenMask.Allow(words, id);
        }

        return words;
    }
}
