using System.Collections.Generic;

namespace Quire.Models;

/// <summary>
/// Where a family of checkpoints keeps the tensors of a decoder. The defaults are Llama's names, which most families use; a family
/// states only what differs. Module names stand without .weight and .bias; names of a layer stand without <see cref="LayerPrefix"/>.
/// </summary>
public sealed record DecoderNames
{
    public string Embedding { get; init; } = "model.embed_tokens";

    public string PositionEmbedding { get; init; } = "model.embed_positions";

    /// <summary>What precedes the names of a layer, with {0} for its number.</summary>
    public string LayerPrefix { get; init; } = "model.layers.{0}.";

    public string AttentionNorm { get; init; } = "input_layernorm";

    /// <summary>The modules whose rows make queries, keys and values, in this order; one when the checkpoint holds them fused.</summary>
    public IReadOnlyList<string> Qkv { get; init; } = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

    public string QueryNorm { get; init; } = "self_attn.q_norm";

    public string KeyNorm { get; init; } = "self_attn.k_norm";

    public string AttentionOutput { get; init; } = "self_attn.o_proj";

    /// <summary>The norm on what attention returns, where <see cref="NormPlacement"/> has one.</summary>
    public string AfterAttentionNorm { get; init; } = "post_attention_layernorm";

    public string FeedForwardNorm { get; init; } = "post_attention_layernorm";

    /// <summary>The modules of the input projection: gate then up, or one when fused or not gated.</summary>
    public IReadOnlyList<string> FeedForwardInput { get; init; } = ["mlp.gate_proj", "mlp.up_proj"];

    public string FeedForwardOutput { get; init; } = "mlp.down_proj";

    /// <summary>The matrix that chooses experts, in layers that have them.</summary>
    public string Router { get; init; } = "mlp.gate";

    /// <summary>What precedes the names of an expert, with {0} for its number.</summary>
    public string ExpertPrefix { get; init; } = "mlp.experts.{0}.";

    /// <summary>The modules of an expert's input projection: gate then up.</summary>
    public IReadOnlyList<string> ExpertInput { get; init; } = ["gate_proj", "up_proj"];

    public string ExpertOutput { get; init; } = "down_proj";

    /// <summary>The norm on what the feed-forward block returns, where <see cref="NormPlacement"/> has one.</summary>
    public string AfterFeedForwardNorm { get; init; } = "post_feedforward_layernorm";

    public string FinalNorm { get; init; } = "model.norm";

    /// <summary>The projection from embeddings to the stream, where <see cref="DecoderSpec.EmbeddingSize"/> asks for one.</summary>
    public string ProjectIn { get; init; } = "model.decoder.project_in";

    /// <summary>The projection back, before the head.</summary>
    public string ProjectOut { get; init; } = "model.decoder.project_out";

    public string Head { get; init; } = "lm_head";

    /// <summary>Beginnings that some checkpoints write otherwise: a name that is not found is looked for with each exchanged.</summary>
    public IReadOnlyList<(string Ours, string Theirs)> OtherBeginnings { get; init; } = [];

    /// <summary>Beginnings of the names of tensors that belong to parts that are not computed, such as a vision tower.</summary>
    public IReadOnlyList<string> IgnoredBeginnings { get; init; } = [];

    /// <summary>True when the matrices of layers are stored as [in, out].</summary>
    public bool TransposedLayers { get; init; }

    /// <summary>Ends of the names of tensors that some checkpoints carry and nobody needs.</summary>
    public IReadOnlyList<string> IgnoredEndings { get; init; } = ["rotary_emb.inv_freq"];
}

/// <summary>What an architecture makes of a config.json.</summary>
/// <param name="Spec">What to compute.</param>
/// <param name="Names">Where the weights are.</param>
public sealed record ModelDefinition(DecoderSpec Spec, DecoderNames Names)
{
    /// <summary>The names by which LoRA adapters know the modules, where they are not <see cref="Names"/>: those of the Hugging Face class.</summary>
    public DecoderNames? AdapterNames { get; init; }
}
