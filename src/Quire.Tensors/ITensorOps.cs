using System;

namespace Quire.Tensors;

/// <summary>
/// The whole vocabulary of a model: what every backend must be able to do. <see cref="Reference.ReferenceOps"/> defines each operation
/// in plain loops; a backend is right when it agrees with that. A fused operation has a default body that spells out its meaning from
/// simpler ones, so that a backend overrides it only when it has a kernel.
/// </summary>
/// <remarks>
/// Activations have the type <see cref="IBackend.ActivationType"/>; integer inputs are I32; logits are F32. Outputs never overlap
/// inputs unless an operation says that it works in place. Operations of one backend run in the order in which they are called. The
/// result for a row does not depend on which other rows are in the call.
/// <para>
/// A backend may join operations that follow each other, so some inputs are used up: after <see cref="GatedActivation"/> gateUp, after
/// <see cref="AddRmsNorm"/> x (unless it is y), and after <see cref="PagedAttention"/> q holds nothing that may be read.
/// </para>
/// </remarks>
public interface ITensorOps
{
    /// <summary>y[t] = scale · table[tokenIds[t]]. tokenIds [1, tokens] I32, table [vocabulary, hidden], y [tokens, hidden].</summary>
    void Embed(Tensor tokenIds, Tensor table, float scale, Tensor y);

    /// <summary>
    /// The same from a linear layer whose rows are the vectors of tokens: an embedding in a packed format. Only backends that keep blocks
    /// (<see cref="IBackend.KeepsBlocks"/>) are asked for it.
    /// </summary>
    void Embed(Tensor tokenIds, LinearWeight table, float scale, Tensor y) =>
        throw new System.NotSupportedException("this backend has no embeddings in packed formats");

    /// <summary>
    /// Root mean square norm (Zhang and Sennrich, arXiv 1910.07467): y = x / √(mean(x²) + ε) · (weightOffset + weight), over each
    /// group of weight.Columns adjacent columns: the whole row for a layer norm, each head for a q/k norm. x and y may be the same.
    /// </summary>
    void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y);

    /// <summary>residual += x, then y = RmsNorm(residual). x and y may be the same tensor.</summary>
    void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        Add(x, 1f, residual);
        RmsNorm(residual, weight, epsilon, weightOffset, y);
    }

    /// <summary>y = (x − mean) / √(variance + ε) · weight + bias over each row. x and y may be the same.</summary>
    void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor y);

    /// <summary>y = x Wᵀ + b. x [rows, in], y [rows, out]; y may be F32 whatever the activation type is (logits).</summary>
    void Linear(Tensor x, LinearWeight weight, Tensor y);

    /// <summary>
    /// y[t] += B (A x[t]) with the factors of row t's adapter; rows without one keep their value. x [rows, in], y [rows, out], both of the
    /// step that <paramref name="batch"/> describes. Several rows of several adapters are computed in one call, and a row's result depends
    /// neither on the slot that its adapter is in nor on the largest rank that slots hold.
    /// </summary>
    /// <exception cref="NotSupportedException">The backend has no kernel for it.</exception>
    void AddLora(Tensor x, LoraWeight weight, in LoraBatch batch, Tensor y) =>
        throw new NotSupportedException("this backend computes no LoRA adapters");

    /// <summary>y += scale · x.</summary>
    void Add(Tensor x, float scale, Tensor y);

    /// <summary>y = activation(gate) · up, with gateUp [rows, 2 · inner] holding gate | up and y [rows, inner].</summary>
    void GatedActivation(Activation activation, Tensor gateUp, Tensor y);

    /// <summary>x = activation(x), in place.</summary>
    void Activate(Activation activation, Tensor x);

    /// <summary>Rotates each head of x [tokens, heads · headDim] in place by the angles of positions [1, tokens] I32.</summary>
    void Rope(Tensor x, Tensor positions, in RopeTable table, int headDim);

    /// <summary>Writes k and v [tokens, kvHeads · headDim] to the slots [1, tokens] I32 of the cache. A negative slot writes nothing.</summary>
    void StoreKv(Tensor k, Tensor v, Tensor slots, in KvCacheLayer cache);

    /// <summary>Rotates q and k, then stores k and v.</summary>
    void RopeAndStoreKv(Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
    {
        Rope(q, positions, table, cache.Shape.HeadDim);
        Rope(k, positions, table, cache.Shape.HeadDim);
        StoreKv(k, v, slots, cache);
    }

    /// <summary>
    /// Causal attention over paged keys and values (Kwon et al., arXiv 2309.06180) for a mix of prompt chunks and single decode
    /// tokens. q and y [tokens, heads · headDim]; the keys and values of these tokens are already in the cache.
    /// </summary>
    void PagedAttention(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y);

    /// <summary>y[i] = x[rows[i]]. rows [1, count] I32.</summary>
    void GatherRows(Tensor x, Tensor rows, Tensor y);

    /// <summary>x = cap · tanh(x / cap), in place.</summary>
    void SoftCap(Tensor x, float cap);

    /// <summary>x = scale · x, in place.</summary>
    void Scale(Tensor x, float scale);

    /// <summary>
    /// Chooses the experts of each row (Shazeer et al., arXiv 1701.06538): of softmax(logits) over all experts the ids.Columns largest,
    /// largest first, the lower number first among equals. With <paramref name="normalise"/> their weights are divided by their sum.
    /// logits [tokens, experts] F32, ids [tokens, topK] I32, weights [tokens, topK] F32; the latter two without gaps.
    /// </summary>
    void RouteExperts(Tensor logits, bool normalise, Tensor ids, Tensor weights) => throw ExpertWeights.Unsupported();

    /// <summary>
    /// y[i] = x' W[e]ᵀ + b[e] with e = ids[i / topK, i % topK]: each row of y is made by one of the experts. x' is x[i] where x has as
    /// many rows as y, and x[i / topK], the token's own row, where x has one row a token. y [tokens · topK, out].
    /// </summary>
    void LinearExperts(Tensor x, ExpertWeights experts, Tensor ids, Tensor y) => throw ExpertWeights.Unsupported();

    /// <summary>y[t] = Σ weights[t, j] · x[t · topK + j], j in order. x [tokens · topK, hidden], weights [tokens, topK] F32.</summary>
    void CombineExperts(Tensor x, Tensor weights, Tensor y) => throw ExpertWeights.Unsupported();

    /// <summary>Says that nobody reads x before it is written again, so that a backend need not store it where it was joined with what came behind.</summary>
    void Release(Tensor x)
    {
    }

    /// <summary>Copies whole blocks of every layer: pairs [count, 2] I32 in host memory, from and to.</summary>
    void CopyBlocks(KvCache cache, Tensor pairs);
}
