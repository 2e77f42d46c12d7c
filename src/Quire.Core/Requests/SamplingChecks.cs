using System.Collections.Generic;

namespace Quire.Core.Requests;

/// <summary>The range checks of <see cref="SamplingParams"/>, in vLLM's order and with its texts.</summary>
internal static class SamplingChecks
{
    public static Refusal? FirstViolation(SamplingParams p) =>
        p.StructuredOutputs?.Validate()
        ?? p.RepetitionDetection?.Validate()
        ?? ThinkingBudget(p)
        ?? Count(p)
        ?? Penalties(p)
        ?? Shape(p)
        ?? Lengths(p)
        ?? Logprobs(p)
        ?? Texts(p)
        ?? Bias(p)
        ?? Greedy(p);

    private static Refusal? ThinkingBudget(SamplingParams p) => p.ThinkingTokenBudget < -1
        ? Invalid("thinking_token_budget", "`thinking_token_budget` must be a non-negative integer or -1 for unlimited.")
        : null;

    private static Refusal? Count(SamplingParams p)
    {
        if (p.N < 1)
            return Invalid("n", $"n must be at least 1, got {p.N}.");
        return p.N > SamplingParams.MaxN
            ? Invalid("n", $"n must be at most {SamplingParams.MaxN}, got {p.N}.")
            : null;
    }

    private static Refusal? Penalties(SamplingParams p)
    {
        if (p.PresencePenalty is not (>= -2.0 and <= 2.0))
            return Invalid("presence_penalty", $"presence_penalty must be in [-2, 2], got {PythonRepr.Number(p.PresencePenalty)}.");
        if (p.FrequencyPenalty is not (>= -2.0 and <= 2.0))
            return Invalid("frequency_penalty", $"frequency_penalty must be in [-2, 2], got {PythonRepr.Number(p.FrequencyPenalty)}.");
        if (!double.IsFinite(p.RepetitionPenalty))
            return Invalid("repetition_penalty", $"repetition_penalty must be a finite number, got {PythonRepr.Number(p.RepetitionPenalty)}.");
        return p.RepetitionPenalty <= 0.0
            ? Invalid("repetition_penalty", $"repetition_penalty must be greater than zero, got {PythonRepr.Number(p.RepetitionPenalty)}.")
            : null;
    }

    private static Refusal? Shape(SamplingParams p)
    {
        if (!double.IsFinite(p.Temperature))
            return Invalid("temperature", $"temperature must be a finite number, got {PythonRepr.Number(p.Temperature)}.");
        if (p.Temperature < 0.0)
            return Invalid("temperature", $"temperature must be non-negative, got {PythonRepr.Number(p.Temperature)}.");
        if (p.Temperature > 2.0)
            return Invalid("temperature", $"temperature must be in [0, 2], got {PythonRepr.Number(p.Temperature)}.");
        if (p.TopP is not (> 0.0 and <= 1.0))
            return Invalid("top_p", $"top_p must be in (0, 1], got {PythonRepr.Number(p.TopP)}.");
        if (p.TopK < -1)
            return Invalid("top_k", $"top_k must be 0 (disable), or at least 1, got {p.TopK}.");
        return p.MinP is not (>= 0.0 and <= 1.0)
            ? Invalid("min_p", $"min_p must be in [0, 1], got {PythonRepr.Number(p.MinP)}.")
            : null;
    }

    private static Refusal? Lengths(SamplingParams p)
    {
        if (p.MaxTokens < 1)
            return Invalid("max_tokens", $"max_tokens must be at least 1, got {p.MaxTokens}.");
        if (p.MinTokens < 0)
            return Invalid("min_tokens", $"min_tokens must be greater than or equal to 0, got {p.MinTokens}.");
        if (p.MinTokens > p.MaxTokens)
            return Invalid("min_tokens", $"min_tokens must be less than or equal to max_tokens={p.MaxTokens}, got {p.MinTokens}.");
        return p.StreamInterval < 1
            ? Invalid("stream_interval", $"stream_interval must be at least 1, got {p.StreamInterval}.")
            : null;
    }

    private static Refusal? Logprobs(SamplingParams p)
    {
        if (p.Logprobs < -1)
            return Invalid("logprobs", $"logprobs must be non-negative or -1, got {p.Logprobs}.");
        if (p.PromptLogprobs < -1)
            return Invalid("prompt_logprobs", $"prompt_logprobs must be non-negative or -1, got {p.PromptLogprobs}.");
        if (p.LogprobTokenIds is null)
            return null;
        if (p.LogprobTokenIds.Count > SamplingParams.MaxLogprobTokenIds)
        {
            return Invalid("logprob_token_ids", $"Requested logprob_token_ids of length {p.LogprobTokenIds.Count}, "
                + $"which is greater than max allowed: {SamplingParams.MaxLogprobTokenIds}");
        }

        return p.Logprobs is not null && p.Logprobs != p.LogprobTokenIds.Count
            ? Invalid("logprob_token_ids", "When both logprobs and logprob_token_ids are set, logprobs must equal len(logprob_token_ids). "
                + $"Got logprobs={p.Logprobs}, len(logprob_token_ids)={p.LogprobTokenIds.Count}.")
            : null;
    }

    private static Refusal? Texts(SamplingParams p)
    {
        foreach (string stop in p.Stop)
        {
            if (stop.Length == 0)
                return Invalid("stop", "stop cannot contain an empty string.");
        }

        if (p.Stop.Count > 0 && !p.Detokenize)
            return Invalid("stop", "stop strings are only supported when detokenize is True. Set detokenize=True to use stop.");
        foreach (string word in p.BadWords)
        {
            if (word.Length == 0)
                return Invalid("bad_words", $"bad_words cannot contain an empty string. Got bad_words={PythonRepr.List(p.BadWords)}");
        }

        return null;
    }

    private static Refusal? Bias(SamplingParams p)
    {
        foreach ((int token, float value) in p.LogitBias ?? new Dictionary<int, float>())
        {
            if (float.IsNaN(value) || float.IsPositiveInfinity(value))
                return Invalid("logit_bias", $"logit_bias of token {token} must be a finite number or -inf, got {PythonRepr.Number(value)}.");
        }

        return null;
    }

    private static Refusal? Greedy(SamplingParams p) => p.IsGreedy && p.N > 1
        ? Invalid("n", $"n must be 1 when using greedy sampling, got {p.N}.")
        : null;

    private static Refusal Invalid(string field, string message) => new(RefusalCode.InvalidValue, field, message);
}
