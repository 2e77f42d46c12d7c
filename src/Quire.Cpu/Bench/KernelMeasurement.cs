namespace Quire.Cpu.Bench;

/// <summary>One measured operation or sequence of operations.</summary>
/// <param name="Name">What was run.</param>
/// <param name="MedianSeconds">Median time of one run.</param>
/// <param name="BestSeconds">Shortest time of one run.</param>
/// <param name="Runs">Runs that were timed.</param>
/// <param name="Bytes">Bytes of weights and cache that one run must read from memory; 0 when that does not bound it.</param>
/// <param name="Flops">Multiplications and additions of one run.</param>
/// <param name="Tokens">Tokens that one run takes through the model; 0 for a single operation.</param>
public sealed record KernelMeasurement(
    string Name, double MedianSeconds, double BestSeconds, int Runs, double Bytes, double Flops, int Tokens);
