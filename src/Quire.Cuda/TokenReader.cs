using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>Brings token ids to pinned memory of the host, several reads in flight.</summary>
internal sealed class TokenReader(CudaDevice device, CudaStream stream) : IDisposable
{
    private const int Slots = 4;
    private readonly PinnedMemory?[] _memory = new PinnedMemory?[Slots];
    private readonly CudaEvent?[] _events = new CudaEvent?[Slots];
    private readonly int[] _counts = new int[Slots];
    private int _next;

    public int Start(Tensor tokens)
    {
        int slot = _next;
        _next = (_next + 1) % Slots;
        int bytes = tokens.Columns * sizeof(int);
        if (_memory[slot] is not { } memory || memory.Length < bytes)
        {
            _memory[slot]?.Dispose();
            memory = new PinnedMemory(device, Math.Max(bytes, 4096));
            _memory[slot] = memory;
        }

        CudaEvent copied = _events[slot] ??= new CudaEvent(device);
        stream.CopyToHost(memory.Address, tokens.Data, bytes);
        stream.Record(copied);
        _counts[slot] = tokens.Columns;
        return slot;
    }

    public unsafe ReadOnlySpan<int> Finish(int slot)
    {
        _events[slot]!.Synchronize();
        return new ReadOnlySpan<int>((void*)_memory[slot]!.Address, _counts[slot]);
    }

    public void Dispose()
    {
        for (int i = 0; i < Slots; i++)
        {
            _memory[i]?.Dispose();
            _events[i]?.Dispose();
        }
    }
}
