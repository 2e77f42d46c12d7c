namespace Quire.Engine.Sampling;

/// <summary>Why no token could be taken from a row of logits. The request then ends with an error; its batch goes on.</summary>
public enum SamplingFault
{
    None,

    /// <summary>The model gave a value that is not a number.</summary>
    NotANumber,

    /// <summary>The model gave +∞.</summary>
    Infinite,

    /// <summary>The LoRA adapter of the request could not be brought to a slot.</summary>
    AdapterLost,

    /// <summary>Every token is at −∞: masks leave nothing to choose from.</summary>
    NothingAllowed,
}

/// <summary>The sentences for users.</summary>
public static class SamplingFaults
{
    public static string Message(SamplingFault fault) => fault switch
    {
        SamplingFault.NotANumber => "The model computed logits that are not numbers (NaN). "
            + "Check the weights, the data type and the quantization.",
        SamplingFault.Infinite => "The model computed infinite logits. Check the weights, the data type and the quantization.",
        SamplingFault.AdapterLost => "The files of the LoRA adapter have changed or are gone; load it again.",
        SamplingFault.NothingAllowed => "No token is allowed at this position: allowed_token_ids, bad_words, logit_bias, min_tokens "
            + "and structured outputs together exclude the whole vocabulary.",
        _ => "",
    };
}
