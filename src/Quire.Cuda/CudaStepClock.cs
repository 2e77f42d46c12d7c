using System;
using System.Threading;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <summary>The times of steps by events of the stream. An event is read some steps after it was recorded, when nobody has to wait for it.</summary>
internal sealed class CudaStepClock(CudaDevice device, CudaStream stream) : IStepClock, IDisposable
{
    /// <summary>Steps whose events are kept; they are read when half as many steps have passed.</summary>
    private const int Kept = 32;

    private readonly Lock _lock = new();
    private readonly CudaEvent[] _begins = new CudaEvent[Kept];
    private readonly CudaEvent[] _ends = new CudaEvent[Kept];
    private volatile bool _runs;
    private bool _isOpen;
    private long _begun;
    private long _read;
    private double _busyMilliseconds;
    private double _idleMilliseconds;

    public void Start()
    {
        lock (_lock)
        {
            device.MakeCurrent();
            for (int i = 0; i < Kept && _begins[i] is null; i++)
            {
                _begins[i] = new CudaEvent(device, timing: true);
                _ends[i] = new CudaEvent(device, timing: true);
            }

            _isOpen = false;
            _begun = _read = 0;
            _busyMilliseconds = _idleMilliseconds = 0;
            _runs = true;
        }
    }

    public DeviceTimes Stop()
    {
        lock (_lock)
        {
            _runs = false;
            device.MakeCurrent();
            long ended = _isOpen ? _begun - 1 : _begun;
            while (_read < ended)
            {
                ReadNext();
            }

            return new DeviceTimes(ended, _busyMilliseconds / 1e3, _idleMilliseconds / 1e3);
        }
    }

    public void Begin()
    {
        if (!_runs)
        {
            return;
        }

        lock (_lock)
        {
            if (_begun - _read >= Kept / 2)
            {
                ReadNext();
            }

            stream.Record(_begins[_begun % Kept]);
            _begun++;
            _isOpen = true;
        }
    }

    public void End()
    {
        if (!_runs)
        {
            return;
        }

        lock (_lock)
        {
            if (_isOpen)
            {
                stream.Record(_ends[(_begun - 1) % Kept]);
                _isOpen = false;
            }
        }
    }

    public void Dispose()
    {
        for (int i = 0; i < Kept && _begins[i] is not null; i++)
        {
            _begins[i].Dispose();
            _ends[i].Dispose();
        }
    }

    private void ReadNext()
    {
        CudaEvent begin = _begins[_read % Kept];
        CudaEvent end = _ends[_read % Kept];
        end.Synchronize();
        _busyMilliseconds += end.ElapsedMilliseconds(begin);
        if (_read > 0)
        {
            _idleMilliseconds += begin.ElapsedMilliseconds(_ends[(_read - 1) % Kept]);
        }

        _read++;
    }
}
