using System.Collections.Generic;
using Quire.Models.Config;

namespace Quire.Models.Architectures;

/// <summary>MistralForCausalLM: Llama's shape with sliding windows (Jiang et al., arXiv 2310.06825).</summary>
internal static class Mistral
{
    private const int DefaultWindow = 4096;
    private const int DefaultKvHeads = 8;
    private const int DefaultPositions = 131_072;

    public static ModelDefinition Define(HfConfig config)
    {
        ConfigSection text = config.Text;

        // An absent key means the class's default; null means no window.
        int window = text.HasKey("sliding_window") ? CommonConfig.Window(text, 0) : DefaultWindow;
        IReadOnlyList<int> windows = CommonConfig.Windows(text, window, static _ => true);
        SelfAttentionSpec attention = CommonConfig.Attention(text, defaultKvHeads: DefaultKvHeads);
        return new ModelDefinition(
            Llama.Spec("MistralForCausalLM", text, attention, windows, defaultPositions: DefaultPositions), new DecoderNames());
    }
}
