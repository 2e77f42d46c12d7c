using System;
using System.Collections.Generic;
using System.Diagnostics;
using Quire.Tensors.Reference;

namespace Quire.Tensors;

/// <summary>
/// Room for the low-rank updates (Hu et al., LoRA, arXiv 2106.09685) that several adapters make to one linear layer: y += B (A x), with
/// the factors of adapter s in slot s of two stacked buffers of fixed shape, so that rows of different adapters are computed together
/// (Chen et al., Punica, arXiv 2310.18547) and a captured graph stays valid when an adapter is exchanged. A fused layer has a pair of
/// factors for each of its parts.
/// </summary>
public sealed class LoraWeight
{
    private readonly int[] _partRows;

    /// <param name="a">[slots · parts · rank, in]; see <see cref="A"/>.</param>
    /// <param name="b">[slots · rank, out]; see <see cref="B"/>.</param>
    /// <param name="ranks">[slots, parts] I32 in host memory; see <see cref="Ranks"/>.</param>
    /// <param name="rank">Largest rank that a slot holds.</param>
    /// <param name="partRows">Output features of each part; together they are the columns of <paramref name="b"/>.</param>
    public LoraWeight(Tensor a, Tensor b, Tensor ranks, int rank, IReadOnlyList<int> partRows)
    {
        ArgumentNullException.ThrowIfNull(partRows);
        A = a;
        B = b;
        Ranks = ranks;
        Rank = rank;
        _partRows = [.. partRows];
        Debug.Assert(a.Type == b.Type && a.IsContiguous && b.IsContiguous && ranks.IsContiguous);
        Debug.Assert(a.Rows == Slots * Parts * rank && b.Rows == Slots * rank && ranks.Columns == Parts);
    }

    /// <summary>Row (slot · parts + part) · rank + r holds row r of the A of that slot and part; rows past its rank are 0.</summary>
    public Tensor A { get; }

    /// <summary>
    /// Row slot · rank + r holds column r of the scaled B of each part, side by side as the outputs of the layer are; columns past a
    /// part's rank are 0.
    /// </summary>
    public Tensor B { get; }

    /// <summary>
    /// [slots, parts] I32 in host memory: the rank that each slot has for each part, 0 for none. Beyond it A and B hold zeros, so a
    /// backend may use it to do less or leave it alone.
    /// </summary>
    public Tensor Ranks { get; }

    /// <summary>Largest rank that a slot holds.</summary>
    public int Rank { get; }

    public int Slots => Ranks.Rows;

    public int Parts => _partRows.Length;

    public int InFeatures => A.Columns;

    public int OutFeatures => B.Columns;

    /// <summary>Output features of each part.</summary>
    public ReadOnlySpan<int> PartRows => _partRows;

    /// <summary>The rank that a slot has for a part.</summary>
    public int RankOf(int slot, int part) => Elements.Integer(Ranks, slot * Parts + part);
}

/// <summary>
/// Which rows of a step belong to which adapter, in the three forms that kernels want. Rows without an adapter are in none of the
/// groups. All tensors are I32 in device memory.
/// </summary>
public readonly struct LoraBatch
{
    /// <summary>[1, rows]: slot of each row of the step, −1 where it has no adapter.</summary>
    public Tensor Slots { get; init; }

    /// <summary>[1, active]: the rows that have an adapter, ordered by slot.</summary>
    public Tensor Order { get; init; }

    /// <summary>[1, slots + 1]: the rows of slot s are Order[Starts[s]] … Order[Starts[s + 1] − 1].</summary>
    public Tensor Starts { get; init; }

    /// <summary>Rows that have an adapter.</summary>
    public int ActiveRows => Order.Columns;
}
