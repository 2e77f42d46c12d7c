using System;
using System.Runtime.InteropServices;

namespace Quire.Tensors;

/// <summary>How the token of one row is chosen on the device.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct RowSampling
{
    /// <summary>0 takes the best token; the filters are then without effect.</summary>
    public float InverseTemperature { get; set; }

    /// <summary>0 is off.</summary>
    public float MinP { get; set; }

    /// <summary>1 is off.</summary>
    public float TopP { get; set; }

    /// <summary>0 is off.</summary>
    public int TopK { get; set; }

    /// <summary>The random number in [0, 1) that decides the draw.</summary>
    public double Uniform { get; set; }
}

/// <summary>
/// Chooses tokens on the device, so that the host need not wait for one step before it starts the next: only token ids come back.
/// </summary>
public interface IDeviceSampler
{
    /// <summary>
    /// tokens[i] = the token chosen from row i: the largest logit, the lowest id among equals, or a draw after temperature, min-p, top-k and
    /// top-p; −1 where the row holds NaN, +∞ or nothing finite. logits [rows, vocabulary] F32, tokens [1, rows] I32.
    /// </summary>
    /// <param name="logits">What the tokens are chosen from.</param>
    /// <param name="rows">Device address of a <see cref="RowSampling"/> a row; 0 takes the best token of every row.</param>
    /// <param name="tokens">The result.</param>
    void Sample(Tensor logits, nint rows, Tensor tokens);

    /// <summary>Replaces ids ≤ −2 by tokens[−2 − id]: tokens that were chosen and that the host had not seen when it wrote the ids.</summary>
    void Resolve(Tensor tokenIds, Tensor tokens);

    /// <summary>Starts bringing tokens to the host. At most four reads are open at a time.</summary>
    /// <returns>What <see cref="FinishRead"/> asks for.</returns>
    int StartRead(Tensor tokens);

    /// <summary>Waits for a read and gives its tokens, valid until four more were started.</summary>
    ReadOnlySpan<int> FinishRead(int read);
}
