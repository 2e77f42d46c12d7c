using Quire.Tensors;

namespace Quire.Cpu;

/// <summary>
/// A linear layer that knows how to multiply from its own layout. A further layout (quantised, packed for an assembled kernel) is a
/// further subclass; the operations do not change.
/// </summary>
internal abstract class CpuLinear(int outFeatures, int inFeatures) : LinearWeight(outFeatures, inFeatures)
{
    /// <summary>
    /// y = x Wᵀ + b. x [rows, in] and y [rows, out], both F32, rows possibly apart. A row's result must not depend on the other rows,
    /// on the number of threads or on how the work is cut.
    /// </summary>
    public abstract void Multiply(CpuRuntime runtime, Tensor x, Tensor y);

    /// <summary>What it is multiplied by, for measurements.</summary>
    public virtual string KernelName => GetType().Name.Split('`')[0];

    /// <summary>
    /// The bits that inputs are rounded to as <see cref="Quire.Tensors.Reference.IntegerActivations"/> says, which the format of the weights does not
    /// ask for: 8 or 16; 0 where they are not.
    /// </summary>
    public virtual int InputBits => 0;
}
