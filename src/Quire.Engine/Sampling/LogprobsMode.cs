namespace Quire.Engine.Sampling;

/// <summary>What is reported as the "log-probability" of a token (vLLM's <c>--logprobs-mode</c>).</summary>
public enum LogprobsMode
{
    /// <summary>Log-softmax of the logits as they come from the model (after a grammar's mask).</summary>
    RawLogprobs,

    /// <summary>The logits as they come from the model.</summary>
    RawLogits,

    /// <summary>Log-softmax of what the token is drawn from; dropped tokens are −∞.</summary>
    ProcessedLogprobs,

    /// <summary>The logits after penalties, temperature and filters; dropped tokens are −∞.</summary>
    ProcessedLogits,
}

internal static class LogprobsModes
{
    public static bool IsRaw(this LogprobsMode mode) => mode is LogprobsMode.RawLogprobs or LogprobsMode.RawLogits;

    public static bool IsLogits(this LogprobsMode mode) => mode is LogprobsMode.RawLogits or LogprobsMode.ProcessedLogits;
}
