namespace Quire.Cpu;

/// <summary>How the CPU backend uses the machine.</summary>
public sealed record CpuOptions
{
    /// <summary>Threads that compute, the calling one included. 0: as many as there are physical cores for this process.</summary>
    public int Threads { get; init; }

    /// <summary>The widest instructions that may be used; null: the widest that the processor and the runtime offer.</summary>
    public InstructionTier? TierLimit { get; init; }

    /// <summary>
    /// How long a thread that ran out of work waits in a loop before it sleeps, in microseconds. Longer makes the next operation start
    /// sooner; shorter leaves the core to others.
    /// </summary>
    public int SpinMicros { get; init; } = 50;

    /// <summary>
    /// Whether kernels may be assembled at run time where the processor has instructions that .NET does not name (AVX-512 VNNI and BF16).
    /// </summary>
    public bool AssembleKernels { get; init; } = true;

    /// <summary>
    /// Whether layers of BF16 weights may round their inputs to BF16 where the processor multiplies pairs of BF16, as PyTorch does in that type.
    /// It is faster there, and logits differ from those of floats by about a quarter per cent of their range.
    /// </summary>
    public bool BFloat16Inputs { get; init; }

    /// <summary>
    /// Runs the kernels of this tier even where the processor lacks the instructions and the runtime must imitate them. For tests: right
    /// but slow.
    /// </summary>
    internal InstructionTier? ForcedTier { get; init; }
}
