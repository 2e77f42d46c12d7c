using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>
/// Qwen2ForCausalLM: Llama's shape with biases on queries, keys and values (arXiv 2407.10671). Qwen3ForCausalLM: norms of queries and
/// keys instead (arXiv 2505.09388).
/// </summary>
internal static class Qwen
{
    private const double DefaultTheta = 1_000_000;
    private const int DefaultWindow = 4096;
    private const int DefaultMaxWindowLayers = 28;
    private const int Qwen3HeadDim = 128;

    public static ModelDefinition DefineQwen2(HfConfig config)
    {
        ConfigSection text = config.Text;
        SelfAttentionSpec attention = CommonConfig.Attention(text) with { QkvBias = true };
        return Definition("Qwen2ForCausalLM", text, attention);
    }

    public static ModelDefinition DefineQwen3(HfConfig config)
    {
        ConfigSection text = config.Text;
        bool bias = text.Boolean("attention_bias", false);
        SelfAttentionSpec attention = CommonConfig.Attention(text, Qwen3HeadDim) with
        {
            QkvBias = bias,
            OutputBias = bias,
            QueryKeyNorm = QueryKeyNorm.PerHead,
        };
        return Definition("Qwen3ForCausalLM", text, attention);
    }

    private static ModelDefinition Definition(string architecture, ConfigSection text, SelfAttentionSpec attention)
    {
        int window = text.Boolean("use_sliding_window", false) ? CommonConfig.Window(text, DefaultWindow) : 0;
        int fullLayers = text.Int32("max_window_layers", 0, int.MaxValue, DefaultMaxWindowLayers);
        IReadOnlyList<int> windows = CommonConfig.Windows(text, window, layer => layer >= fullLayers);
        return new ModelDefinition(Llama.Spec(architecture, text, attention, windows, defaultTheta: DefaultTheta), new DecoderNames());
    }
}
