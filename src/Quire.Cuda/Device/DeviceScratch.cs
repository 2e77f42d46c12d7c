namespace Quire.Cuda.Device;

/// <summary>Memory that kernels hand each other within a step. It grows to what was asked for; what it outgrew stays alive, because a recorded step may use it.</summary>
internal struct DeviceScratch
{
    private nint _address;
    private long _capacity;

    /// <summary>Zero when it is new.</summary>
    public nint Reserve(DeviceArena arena, long bytes)
    {
        if (bytes > _capacity)
        {
            _capacity = System.Math.Max(bytes, 2 * _capacity);
            _address = arena.AllocateBytes(_capacity);
        }

        return _address;
    }
}
