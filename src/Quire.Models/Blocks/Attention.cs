using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>
/// Self-attention over the paged cache: one fused projection to queries, keys and values, optional norms of queries and keys, optional
/// rotation, storing, attending, output projection. Multi-head, grouped-query and multi-query alike.
/// </summary>
internal sealed class Attention(ITensorOps ops, SelfAttentionSpec shape, AttentionSpec spec)
{
    public required Linear Qkv { get; init; }

    public required Linear Output { get; init; }

    public Norm? QueryNorm { get; init; }

    public Norm? KeyNorm { get; init; }

    /// <summary>Null where positions are not rotary.</summary>
    public RopeTable? Rope { get; init; }

    /// <summary>y = attention(x). x and y [tokens, hidden] may be the same.</summary>
    public void Forward(
        Tensor x, // [tokens, hidden]
        ForwardContext context,
        in KvCacheLayer cache,
        in KvGroupBatch batch,
        DecoderWorkspace workspace,
        Tensor y) // [tokens, hidden]
    {
        Tensor qkv = workspace.Qkv(x.Rows);
        Qkv.Forward(x, context, qkv);
        Tensor q = qkv.ColumnRange(0, shape.QuerySize);
        Tensor k = qkv.ColumnRange(shape.QuerySize, shape.KvSize);
        Tensor v = qkv.ColumnRange(shape.QuerySize + shape.KvSize, shape.KvSize);
        QueryNorm?.Apply(q, q);
        KeyNorm?.Apply(k, k);
        if (Rope is { } table)
        {
            ops.RopeAndStoreKv(q, k, v, context.Positions, table, batch.Slots, cache);
        }
        else
        {
            ops.StoreKv(k, v, batch.Slots, cache);
        }

        Tensor attended = workspace.Attended(x.Rows);
        ops.PagedAttention(q, cache, batch.Attention, spec, attended);
        Output.Forward(attended, context, y);
    }
}
