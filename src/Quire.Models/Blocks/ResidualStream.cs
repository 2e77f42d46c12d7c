using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>
/// The residual stream of a step and the block output that has not joined it yet: joining is put off until the next norm, so that a
/// backend can do both in one pass.
/// </summary>
internal struct ResidualStream(ITensorOps ops, Tensor stream, Tensor branch, float scale)
{
    private bool _pending;

    /// <summary>Where blocks write their output: [tokens, hidden].</summary>
    public readonly Tensor Branch => branch;

    /// <summary>Joins what is pending and returns what the next block reads: the normed stream, or the stream itself.</summary>
    public Tensor Enter(Norm? norm)
    {
        if (norm is null)
        {
            if (_pending)
            {
                ops.Add(branch, scale, stream);
            }
        }
        else if (_pending)
        {
            norm.AddAndApply(branch, scale, stream, branch);
        }
        else
        {
            norm.Apply(stream, branch);
        }

        _pending = false;
        return norm is null ? stream : branch;
    }

    /// <summary>Joins <see cref="Branch"/> at once and norms the stream itself.</summary>
    public readonly void LeaveAndNorm(Norm norm)
    {
        ops.Add(branch, scale, stream);
        norm.Apply(stream, stream);
    }

    /// <summary>Says that <see cref="Branch"/> holds the output of a block, to be normed first where the placement asks for it.</summary>
    public void Leave(Norm? norm)
    {
        norm?.Apply(branch, branch);
        _pending = true;
    }
}
