using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Threading;

namespace Quire.Cpu;

/// <summary>
/// Threads that share the items of one job at a time. The calling thread is worker 0. Items are handed out in pieces from one counter,
/// so that a thread that loses its core for a while delays the job by one piece at most. Nothing is allocated for a job, and a
/// thread without work sleeps after a short wait.
/// </summary>
/// <remarks>Only one thread at a time may call <see cref="Run"/>, and a job must not start another.</remarks>
internal sealed unsafe class WorkerPool : IDisposable
{
    private readonly Worker[] _workers;
    private readonly Lock _failureLock = new();
    private readonly object _finished = new();
    private readonly long _spinTicks;

    private delegate*<void*, int, int, int, void> _execute;
    private void* _job;
    private int _items;
    private int _piece;
    private PaddedCounter _next;
    private PaddedCounter _running;
    private volatile bool _callerSleeps;
    private volatile bool _stopping;
    private Exception? _failure;

    /// <param name="threads">Threads that compute, the calling one included; at least 1.</param>
    /// <param name="spinMicros">How long a thread waits in a loop before it sleeps.</param>
    public WorkerPool(int threads, int spinMicros)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(spinMicros);
        _spinTicks = spinMicros * Stopwatch.Frequency / 1_000_000;
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker();
        }

        for (int i = 0; i < _workers.Length; i++)
        {
            int index = i + 1;
            var thread = new Thread(() => Work(index)) { IsBackground = true, Name = $"quire-cpu-{index}" };
            _workers[i].Thread = thread;
            thread.Start();
        }
    }

    /// <summary>Threads that compute, the calling one included.</summary>
    public int Threads => _workers.Length + 1;

    /// <summary>Helper threads that have not ended.</summary>
    public int LivingHelpers
    {
        get
        {
            int living = 0;
            foreach (Worker worker in _workers)
            {
                living += worker.Thread!.IsAlive ? 1 : 0;
            }

            return living;
        }
    }

    /// <summary>Helper threads that sleep, as opposed to working or waiting for work in a loop.</summary>
    public int SleepingHelpers
    {
        get
        {
            int sleeping = 0;
            foreach (Worker worker in _workers)
            {
                sleeping += worker.Sleeps ? 1 : 0;
            }

            return sleeping;
        }
    }

    /// <summary>
    /// Does the items [0, <paramref name="items"/>) in pieces of <paramref name="piece"/> and returns when all are done. An exception
    /// of any thread is thrown here, once no thread works on the job any more.
    /// </summary>
    public void Run<TJob>(ref readonly TJob job, int items, int piece)
        where TJob : unmanaged, IPoolJob<TJob>
    {
        Debug.Assert(piece >= 1);
        if (items <= 0)
        {
            return;
        }

        int helpers = (int)Math.Min(_workers.Length, ((long)items + piece - 1) / piece - 1);
        if (helpers == 0)
        {
            TJob.Execute(in job, 0, 0, items);
            return;
        }

        fixed (TJob* address = &job)
        {
            _execute = &Invoke<TJob>;
            _job = address;
            _items = items;
            _piece = piece;
            _next.Value = 0;
            Volatile.Write(ref _running.Value, helpers);
            for (int i = 0; i < helpers; i++)
            {
                _workers[i].Start();
            }

            TakePieces(0);
            WaitForHelpers();
            _job = null;
        }

        if (_failure is not null)
        {
            Exception failure = _failure;
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Ends the threads and waits for them.</summary>
    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        foreach (Worker worker in _workers)
        {
            worker.Start();
        }

        foreach (Worker worker in _workers)
        {
            worker.Thread!.Join();
        }
    }

    private static void Invoke<TJob>(void* job, int worker, int begin, int end)
        where TJob : unmanaged, IPoolJob<TJob> => TJob.Execute(ref Unsafe.AsRef<TJob>(job), worker, begin, end);

    private void Work(int index)
    {
        Worker worker = _workers[index - 1];
        int seen = 0;
        while (true)
        {
            seen = worker.WaitForStart(seen, _spinTicks);
            if (_stopping)
            {
                return;
            }

            TakePieces(index);
            if (Interlocked.Decrement(ref _running.Value) == 0 && _callerSleeps)
            {
                lock (_finished)
                {
                    Monitor.Pulse(_finished);
                }
            }
        }
    }

    private void TakePieces(int worker)
    {
        try
        {
            while (true)
            {
                int begin = Interlocked.Add(ref _next.Value, _piece) - _piece;
                if ((uint)begin >= (uint)_items)
                {
                    return;
                }

                _execute(_job, worker, begin, Math.Min(_items, begin + _piece));
            }
        }
        catch (Exception exception)
        {
            lock (_failureLock)
            {
                _failure ??= exception;
            }
        }
    }

    private void WaitForHelpers()
    {
        long deadline = Stopwatch.GetTimestamp() + _spinTicks;
        while (Volatile.Read(ref _running.Value) > 0)
        {
            if (Stopwatch.GetTimestamp() < deadline)
            {
                Thread.SpinWait(4);
                continue;
            }

            lock (_finished)
            {
                _callerSleeps = true;
                Interlocked.MemoryBarrier();
                while (Volatile.Read(ref _running.Value) > 0)
                {
                    Monitor.Wait(_finished);
                }

                _callerSleeps = false;
            }
        }
    }

    /// <summary>A counter with a cache line to itself.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 256)]
    private struct PaddedCounter
    {
        [System.Runtime.InteropServices.FieldOffset(128)]
        public int Value;
    }

    /// <summary>A thread and the ticket that starts it. Each has its own, so that a job wakes only the threads that it needs.</summary>
    private sealed class Worker
    {
        private readonly object _gate = new();
        private PaddedCounter _ticket;
        private volatile bool _sleeps;

        public Thread? Thread { get; set; }

        public bool Sleeps => _sleeps;

        public void Start()
        {
            Volatile.Write(ref _ticket.Value, _ticket.Value + 1);
            Interlocked.MemoryBarrier();
            if (_sleeps)
            {
                lock (_gate)
                {
                    Monitor.Pulse(_gate);
                }
            }
        }

        /// <summary>Returns once the ticket differs from <paramref name="seen"/>: the ticket.</summary>
        public int WaitForStart(int seen, long spinTicks)
        {
            long deadline = Stopwatch.GetTimestamp() + spinTicks;
            while (Volatile.Read(ref _ticket.Value) == seen)
            {
                if (Stopwatch.GetTimestamp() < deadline)
                {
                    Thread.SpinWait(4);
                    continue;
                }

                lock (_gate)
                {
                    _sleeps = true;
                    Interlocked.MemoryBarrier();
                    while (Volatile.Read(ref _ticket.Value) == seen)
                    {
                        Monitor.Wait(_gate);
                    }

                    _sleeps = false;
                }
            }

            return Volatile.Read(ref _ticket.Value);
        }
    }
}
