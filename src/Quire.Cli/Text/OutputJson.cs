using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Core.Requests;
using Quire.Engine.Streaming;

namespace Quire.Cli.Text;

/// <summary>Writes a finished request as <c>quire generate</c> prints it.</summary>
internal static class OutputJson
{
    /// <summary>What stands for the logarithm of 0, which JSON cannot write; vLLM's number.</summary>
    private const double LogOfZero = -9999.0;

    public static void Write(Utf8JsonWriter json, RequestOutput output)
    {
        WriteIds(json, "prompt_token_ids", output.PromptTokenIds);
        json.WriteStartArray("outputs");
        foreach (CompletionOutput each in output.Outputs)
        {
            json.WriteStartObject();
            json.WriteNumber("index", each.Index);
            WriteIds(json, "token_ids", each.TokenIds);
            json.WriteString("text", each.Text);
            if (each.FinishReason is { } reason)
                json.WriteString("finish_reason", Name(reason));
            else
                json.WriteNull("finish_reason");
            if (each.CumulativeLogprob is { } sum)
                json.WriteNumber("cumulative_logprob", Finite(sum));
            else
                json.WriteNull("cumulative_logprob");
            json.WritePropertyName("logprobs");
            WriteLogprobs(json, each.Logprobs);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WritePropertyName("prompt_logprobs");
        WriteLogprobs(json, output.PromptLogprobs);
        RequestTimings timings = output.Metrics ?? new RequestTimings();
        json.WriteStartObject("metrics");
        json.WriteNumber("ttft_ms", Math.Round(timings.TimeToFirstTokenSeconds * 1000, 3));
        json.WriteNumber("tpot_ms", Math.Round(timings.TimePerOutputTokenSeconds * 1000, 3));
        json.WriteNumber("cached_tokens", timings.CachedTokens);
        json.WriteNumber("preemptions", timings.Preemptions);
        json.WriteEndObject();
    }

    private static string Name(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Abort => "abort",
        FinishReason.Repetition => "repetition",
        _ => "error",
    };

    private static void WriteIds(Utf8JsonWriter json, string name, IReadOnlyList<int> ids)
    {
        json.WriteStartArray(name);
        foreach (int id in ids)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    private static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprobs?>? positions)
    {
        if (positions is null)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        foreach (TokenLogprobs? position in positions)
        {
            if (position is null)
            {
                json.WriteNullValue();
                continue;
            }

            json.WriteStartArray();
            foreach (TokenLogprob entry in position.Entries)
            {
                json.WriteStartObject();
                json.WriteNumber("token_id", entry.TokenId);
                json.WriteNumber("logprob", (float)Finite(entry.Logprob));
                json.WriteNumber("rank", entry.Rank);
                json.WriteString("token", entry.Token);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    private static double Finite(double value) => double.IsFinite(value) ? value : LogOfZero;
}
