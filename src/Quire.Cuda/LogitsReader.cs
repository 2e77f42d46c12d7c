using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>Rows of logits in pinned host memory: all rows of a tensor come over at the first row that is asked for.</summary>
internal sealed unsafe class LogitsReader(CudaDevice device, CudaStream stream) : IDisposable
{
    private PinnedMemory? _memory;
    private long _version = -1;

    /// <param name="logits">F32, without gaps.</param>
    /// <param name="row">Which row.</param>
    /// <param name="version">Changes whenever logits are computed.</param>
    public Span<float> Map(Tensor logits, int row, long version)
    {
        if (version != _version)
        {
            device.MakeCurrent();
            int bytes = checked((int)(logits.ElementCount * sizeof(float)));
            if (_memory is null || _memory.Length < bytes)
            {
                _memory?.Dispose();
                _memory = new PinnedMemory(device, bytes);
            }

            stream.CopyToHost(_memory.Address, logits.Data, bytes);
            stream.Synchronize();
            _version = version;
        }

        return new Span<float>((float*)_memory!.Address + (long)row * logits.Columns, logits.Columns);
    }

    public void Dispose() => _memory?.Dispose();
}
