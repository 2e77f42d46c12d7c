using System;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Models.Config;

namespace Quire.Inference;

/// <summary>The sampling parameters of requests that name none: vLLM's defaults, under what the model's generation_config.json says.</summary>
public static class SamplingDefaults
{
    /// <param name="model">The loaded model.</param>
    /// <returns>Defaults; max_tokens is the model's max_new_tokens, or vLLM's 16.</returns>
    public static SamplingParams Of(ModelInfo model)
    {
        ArgumentNullException.ThrowIfNull(model);
        GenerationConfig own = model.GenerationDefaults;
        var standard = new SamplingParams();
        return standard with
        {
            Temperature = own.Temperature ?? standard.Temperature,
            TopP = own.TopP ?? standard.TopP,
            TopK = own.TopK ?? standard.TopK,
            MinP = own.MinP ?? standard.MinP,
            RepetitionPenalty = own.RepetitionPenalty ?? standard.RepetitionPenalty,
            MaxTokens = own.MaxNewTokens ?? standard.MaxTokens,
        };
    }
}
