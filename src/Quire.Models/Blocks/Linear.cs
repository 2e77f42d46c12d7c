using Quire.Tensors;

namespace Quire.Models.Blocks;

/// <summary>A linear layer and what the adapters of a step add to it. Whatever the form of the weight, adapters come on top.</summary>
/// <param name="ops">The backend's operations.</param>
/// <param name="weight">The model's own weight.</param>
/// <param name="lora">The adapters' factors; null where adapters change nothing.</param>
internal sealed class Linear(ITensorOps ops, LinearWeight weight, LoraWeight? lora)
{
    /// <summary>y = x Wᵀ + b, then the updates of <see cref="ForwardContext.Lora"/>.</summary>
    public void Forward(Tensor x, ForwardContext context, Tensor y)
    {
        ops.Linear(x, weight, y);
        if (lora is not null && context.Lora.ActiveRows > 0)
        {
            ops.AddLora(x, lora, context.Lora, y);
        }
    }
}
