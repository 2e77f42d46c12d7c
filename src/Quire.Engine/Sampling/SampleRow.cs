using System.Collections.Generic;
using System.Text.Json.Serialization;
using Quire.Core.Requests;

namespace Quire.Engine.Sampling;

/// <summary>
/// A row of <c>quire sample</c>'s input: the logits of one position and all that decides what is drawn from them.
/// The properties are settable, not init-only: generated deserializers give init-only ones the default of their type when absent.
/// </summary>
internal sealed class SampleRow
{
    public string? Name { get; set; }

    /// <summary>When given, the number of logits.</summary>
    public int? Vocab { get; set; }

    /// <summary>Null is −∞.</summary>
    public float?[]? Logits { get; set; }

    public int[] PromptTokenIds { get; set; } = [];

    public int[] OutputTokenIds { get; set; } = [];

    public SampleRowParams Params { get; set; } = new();

    /// <summary>A token to report rank and log-probabilities of.</summary>
    public int? Sampled { get; set; }
}

/// <summary>vLLM's names; what is absent has vLLM's default.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed class SampleRowParams
{
    public int N { get; set; } = 1;

    public double Temperature { get; set; } = 1.0;

    public double TopP { get; set; } = 1.0;

    public int TopK { get; set; }

    public double MinP { get; set; }

    public double PresencePenalty { get; set; }

    public double FrequencyPenalty { get; set; }

    public double RepetitionPenalty { get; set; } = 1.0;

    public long? Seed { get; set; }

    public Dictionary<int, float>? LogitBias { get; set; }

    public int[]? AllowedTokenIds { get; set; }

    /// <summary>The sequences that bad_words were tokenised to; there is no tokenizer here.</summary>
    public int[][]? BadWordsTokenIds { get; set; }

    public int? EosTokenId { get; set; }

    public int[] StopTokenIds { get; set; } = [];

    public bool IgnoreEos { get; set; }

    public int? MaxTokens { get; set; }

    public int MinTokens { get; set; }

    public int? Logprobs { get; set; }

    public int[]? LogprobTokenIds { get; set; }

    public SamplingParams ToSamplingParams() => new()
    {
        N = N,
        Temperature = Temperature,
        TopP = TopP,
        TopK = TopK,
        MinP = MinP,
        PresencePenalty = PresencePenalty,
        FrequencyPenalty = FrequencyPenalty,
        RepetitionPenalty = RepetitionPenalty,
        Seed = Seed,
        LogitBias = LogitBias,
        AllowedTokenIds = AllowedTokenIds,
        StopTokenIds = StopTokenIds,
        IgnoreEos = IgnoreEos,
        MaxTokens = MaxTokens,
        MinTokens = MinTokens,
        Logprobs = Logprobs,
        LogprobTokenIds = LogprobTokenIds,
    };
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(SampleRow))]
internal sealed partial class SampleRowJson : JsonSerializerContext;
