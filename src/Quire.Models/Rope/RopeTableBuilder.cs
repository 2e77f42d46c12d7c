using System;
using System.Threading.Tasks;
using Quire.Tensors;

namespace Quire.Models.Rope;

/// <summary>Tabulates the cosines and sines of a rotary embedding: computed in double precision, stored as F32.</summary>
public static class RopeTableBuilder
{
    /// <summary>A table for the positions 0 … positions − 1 on the backend's device.</summary>
    /// <param name="spec">The embedding.</param>
    /// <param name="positions">Longest sequence that will be computed.</param>
    /// <param name="backend">Where the table is needed.</param>
    /// <param name="host">Memory that outlives the backend's use of the table.</param>
    public static RopeTable Build(RopeSpec spec, int positions, IBackend backend, HostMemory host)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(host);
        int half = spec.RotaryDim / 2;
        Tensor cosines = host.Allocate(DType.F32, positions, half);
        Tensor sines = host.Allocate(DType.F32, positions, half);
        double[] frequencies = RopeFrequencies.Compute(spec, positions);
        double factor = RopeFrequencies.AttentionFactor(spec);
        Parallel.For(0, positions, position =>
        {
            Span<float> cosine = cosines.HostRow<float>(position);
            Span<float> sine = sines.HostRow<float>(position);
            for (int j = 0; j < half; j++)
            {
                (double s, double c) = Math.SinCos(position * frequencies[j]);
                cosine[j] = (float)(c * factor);
                sine[j] = (float)(s * factor);
            }
        });

        return new RopeTable(
            backend.Upload(new HostMatrix(cosines.Data, DType.F32, positions, half)),
            backend.Upload(new HostMatrix(sines.Data, DType.F32, positions, half)),
            spec.RotaryDim,
            spec.Interleaved);
    }
}
