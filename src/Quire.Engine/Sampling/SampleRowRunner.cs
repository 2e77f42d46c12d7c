using System;
using System.Text.Json;
using Quire.Core.Requests;

namespace Quire.Engine.Sampling;

/// <summary>
/// Answers the rows of <c>quire sample</c>: from a row of logits with sampling parameters, the distribution that the engine's sampler
/// draws from. The caller reads and writes the lines.
/// </summary>
public sealed class SampleRowRunner
{
    private Sampler? _sampler;
    private int _vocabularySize;

    /// <summary>
    /// Writes one object: <c>probs</c> ([[id, probability], …]), <c>kept</c>, <c>greedy</c>, and of the row's <c>sampled</c> token the
    /// <c>rank</c> and, where logprobs are asked for, the <c>logprobs</c>, both raw and processed.
    /// </summary>
    /// <param name="utf8Row">One line of input.</param>
    /// <param name="writer">Where the object goes; nothing is written for a bad row.</param>
    /// <returns>What is wrong with the row; null when it was answered.</returns>
    public Refusal? Answer(ReadOnlySpan<byte> utf8Row, Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Refusal? refusal = Parse(utf8Row, out SampleRow? row);
        if (refusal is not null)
            return refusal;
        refusal = Describe(row!, out TokenDistribution? distribution);
        if (refusal is not null)
            return refusal;
        Write(distribution!, row!.Params, writer);
        return null;
    }

    /// <summary>The distribution of a row that was read already.</summary>
    internal Refusal? Describe(SampleRow row, out TokenDistribution? distribution)
    {
        distribution = null;
        Refusal? refusal = CheckShape(row);
        if (refusal is not null)
            return refusal;
        SamplingParams sampling = row.Params.ToSamplingParams();
        refusal = sampling.Validate() ?? SamplingChecks.Validate(sampling, row.Logits!.Length, maxLogprobs: -1);
        if (refusal is not null)
            return refusal;
        float[] logits = Array.ConvertAll(row.Logits!, value => value ?? float.NegativeInfinity);
        var settings = SamplerSettings.Create(
            sampling, logits.Length, row.Params.EosTokenId is { } end ? [end] : [], row.Params.BadWordsTokenIds);
        var state = new SamplerState(settings, row.PromptTokenIds, requestKey: 0);
        foreach (int token in row.OutputTokenIds)
            state.Accept(token);
        SamplingFault fault = SamplerFor(logits.Length).Describe(logits, state, row.Sampled, out distribution);
        return fault == SamplingFault.None ? null : Invalid("logits", SamplingFaults.Message(fault));
    }

    private static Refusal? Parse(ReadOnlySpan<byte> utf8Row, out SampleRow? row)
    {
        row = null;
        try
        {
            row = JsonSerializer.Deserialize(utf8Row, SampleRowJson.Default.SampleRow);
        }
        catch (JsonException mistake)
        {
            string at = mistake.Path is { Length: > 2 } path ? path[2..] : "row";
            return Invalid(at, $"{at}: not valid JSON, an unknown name, or a value of the wrong type.");
        }

        return row is null ? Invalid("row", "row: expected an object, got null.") : null;
    }

    private static Refusal? CheckShape(SampleRow row)
    {
        if (row.Logits is not { Length: > 0 } logits)
            return Invalid("logits", "logits must be a list of at least one number.");
        if (row.Vocab is { } vocabulary && vocabulary != logits.Length)
            return Invalid("vocab", $"vocab is {vocabulary}, but there are {logits.Length} logits.");
        if (row.Params is null)
            return Invalid("params", "params must be an object.");
        if (row.Params.StopTokenIds is null)
            return Invalid("stop_token_ids", "stop_token_ids must be a list of token ids.");
        foreach (int[]? word in row.Params.BadWordsTokenIds ?? [])
        {
            if (word is not { Length: > 0 })
                return Invalid("bad_words_token_ids", "bad_words_token_ids must hold lists of at least one token id.");
        }

        return CheckIds("prompt_token_ids", row.PromptTokenIds, logits.Length)
            ?? CheckIds("output_token_ids", row.OutputTokenIds, logits.Length)
            ?? CheckIds("sampled", row.Sampled is { } sampled ? [sampled] : [], logits.Length);
    }

    private static Refusal? CheckIds(string field, int[]? ids, int vocabularySize)
    {
        if (ids is null)
            return Invalid(field, $"{field} must be a list of token ids.");
        foreach (int id in ids)
        {
            if (id < 0 || id >= vocabularySize)
                return Invalid(field, $"{field}: token id {id} is outside the vocabulary of {vocabularySize}.");
        }

        return null;
    }

    private static void Write(TokenDistribution distribution, SampleRowParams parameters, Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("probs");
        for (int i = 0; i < distribution.TokenIds.Length; i++)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(distribution.TokenIds[i]);
            writer.WriteNumberValue(distribution.Probabilities[i]);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteNumber("kept", distribution.Kept);
        writer.WriteNumber("greedy", distribution.Greedy);
        if (distribution.Token is { } report)
        {
            writer.WriteStartObject("rank");
            writer.WriteNumber("raw", report.RawRank);
            writer.WriteNumber("processed", report.ProcessedRank);
            writer.WriteEndObject();
            if (parameters.Logprobs is not null || parameters.LogprobTokenIds is not null)
            {
                writer.WriteStartObject("logprobs");
                WriteLogprobs("raw", report.Raw, writer);
                WriteLogprobs("processed", report.Processed, writer);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndObject();
    }

    private static void WriteLogprobs(string name, SampledLogprobs logprobs, Utf8JsonWriter writer)
    {
        writer.WriteStartArray(name);
        for (int i = 0; i < logprobs.Count; i++)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(logprobs.TokenIds[i]);
            if (float.IsFinite(logprobs.Values[i]))
                writer.WriteNumberValue(logprobs.Values[i]);
            else
                writer.WriteNullValue();
            writer.WriteNumberValue(logprobs.Ranks[i]);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
    }

    private Sampler SamplerFor(int vocabularySize)
    {
        if (_sampler is null || _vocabularySize < vocabularySize)
        {
            _sampler = new Sampler(vocabularySize);
            _vocabularySize = vocabularySize;
        }

        return _sampler;
    }

    private static Refusal Invalid(string field, string message) => new(RefusalCode.InvalidValue, field, message);
}
