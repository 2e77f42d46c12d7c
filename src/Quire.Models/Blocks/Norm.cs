using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>A norm over rows, or over groups of columns when its weight is narrower than the row.</summary>
internal sealed class Norm(ITensorOps ops, NormSpec spec, Tensor weight, Tensor bias)
{
    /// <summary>y = norm(x). x and y may be the same.</summary>
    public void Apply(Tensor x, Tensor y)
    {
        if (spec.Kind == NormKind.Rms)
        {
            ops.RmsNorm(x, weight, spec.Epsilon, spec.WeightOffset, y);
        }
        else
        {
            ops.LayerNorm(x, weight, bias, spec.Epsilon, y);
        }
    }

    /// <summary>residual += scale · x, then y = norm(residual). x and y may be the same.</summary>
    public void AddAndApply(Tensor x, float scale, Tensor residual, Tensor y)
    {
        if (spec.Kind == NormKind.Rms && scale == 1)
        {
            ops.AddRmsNorm(x, residual, weight, spec.Epsilon, spec.WeightOffset, y);
            return;
        }

        ops.Add(x, scale, residual);
        Apply(residual, y);
    }
}
