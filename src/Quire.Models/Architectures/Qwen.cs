using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>
/// Qwen2ForCausalLM: Llama's shape with biases on queries, keys and values (arXiv 2407.10671). Qwen3ForCausalLM: norms of queries and
/// keys instead (arXiv 2505.09388). Qwen3MoeForCausalLM: the same with mixtures of experts.
/// </summary>
internal static class Qwen
{
    private const double DefaultTheta = 1_000_000;
    private const int DefaultWindow = 4096;
    private const int DefaultMaxWindowLayers = 28;
    private const int Qwen3HeadDim = 128;
    private const int DefaultPositions = 32_768;
    private const int Qwen2KvHeads = 32;
    private const int Qwen3MoeKvHeads = 4;
    private const int DefaultExperts = 128;
    private const int DefaultPerToken = 8;
    private const int DefaultExpertSize = 768;

    public static ModelDefinition DefineQwen2(HfConfig config)
    {
        ConfigSection text = config.Text;
        SelfAttentionSpec attention = CommonConfig.Attention(text, defaultKvHeads: Qwen2KvHeads) with { QkvBias = true };
        return Definition("Qwen2ForCausalLM", text, attention);
    }

    public static ModelDefinition DefineQwen3(HfConfig config)
    {
        ConfigSection text = config.Text;
        return Definition("Qwen3ForCausalLM", text, Qwen3Attention(text, Qwen3HeadDim, Qwen2KvHeads));
    }

    /// <summary>A layer is dense where mlp_only_layers names it or decoder_sparse_step passes it over.</summary>
    public static ModelDefinition DefineQwen3Moe(HfConfig config)
    {
        ConfigSection text = config.Text;
        ModelDefinition dense = Definition("Qwen3MoeForCausalLM", text, Qwen3Attention(text, null, Qwen3MoeKvHeads));
        ExpertSpec experts = CommonConfig.Experts(text, DefaultExperts, DefaultPerToken, text.Boolean("norm_topk_prob", false));
        int size = CommonConfig.InnerSize(text, "moe_intermediate_size", DefaultExpertSize);
        int step = text.Int32("decoder_sparse_step", 1, int.MaxValue, 1);
        var denseLayers = new HashSet<int>(text.OneOrManyInt32("mlp_only_layers", 0, int.MaxValue));
        DecoderSpec spec = CommonConfig.WithFeedForward(dense.Spec, (layer, feedForward) =>
            denseLayers.Contains(layer) || (layer + 1) % step != 0 ? feedForward : feedForward with { InnerSize = size, Experts = experts });
        return dense with { Spec = spec };
    }

    private static SelfAttentionSpec Qwen3Attention(ConfigSection text, int? defaultHeadDim, int defaultKvHeads)
    {
        bool bias = text.Boolean("attention_bias", false);
        return CommonConfig.Attention(text, defaultHeadDim, defaultKvHeads) with
        {
            QkvBias = bias,
            OutputBias = bias,
            QueryKeyNorm = QueryKeyNorm.PerHead,
        };
    }

    private static ModelDefinition Definition(string architecture, ConfigSection text, SelfAttentionSpec attention)
    {
        int window = text.Boolean("use_sliding_window", false) ? CommonConfig.Window(text, DefaultWindow) : 0;
        int fullLayers = text.Int32("max_window_layers", 0, int.MaxValue, DefaultMaxWindowLayers);
        IReadOnlyList<int> windows = CommonConfig.Windows(text, window, layer => layer >= fullLayers);
        DecoderSpec spec = Llama.Spec(
            architecture, text, attention, windows, defaultTheta: DefaultTheta, defaultPositions: DefaultPositions);
        return new ModelDefinition(spec, new DecoderNames());
    }
}
