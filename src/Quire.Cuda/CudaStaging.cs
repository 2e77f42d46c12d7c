using System;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>
/// A staging buffer on the device with several pinned sides on the host, so that the host fills the next one while the copy of the last
/// one waits for its turn on the stream.
/// </summary>
internal sealed class CudaStaging : StagingBuffer, IDisposable
{
    private const int Sides = 3;
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly PinnedMemory[] _pinned = new PinnedMemory[Sides];
    private readonly CudaEvent[] _copied = new CudaEvent[Sides];
    private int _side;

    public CudaStaging(CudaDevice device, CudaStream stream, nint deviceAddress, int bytes)
    {
        _device = device;
        _stream = stream;
        DeviceAddress = deviceAddress;
        for (int i = 0; i < Sides; i++)
        {
            _pinned[i] = new PinnedMemory(device, bytes);
            _copied[i] = new CudaEvent(device);
        }
    }

    /// <summary>The side that is filled now: another one after each <see cref="Flush"/>, with other contents.</summary>
    public override Span<byte> Host => _pinned[_side].Span;

    public override nint DeviceAddress { get; }

    public override void Flush(int bytes)
    {
        _device.MakeCurrent();
        _stream.CopyToDevice(DeviceAddress, _pinned[_side].Address, bytes);
        _stream.Record(_copied[_side]);
        _side = (_side + 1) % Sides;
        _copied[_side].Synchronize();
    }

    public void Dispose()
    {
        for (int i = 0; i < Sides; i++)
        {
            _pinned[i].Dispose();
            _copied[i].Dispose();
        }
    }
}
