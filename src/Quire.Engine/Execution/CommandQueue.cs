using System;
using System.Collections.Generic;
using System.Threading;

namespace Quire.Engine.Execution;

/// <summary>What other threads may ask of the engine's thread.</summary>
internal enum CommandKind
{
    /// <summary>Take in a <see cref="Streaming.GenerationHandle"/>.</summary>
    Submit,

    /// <summary>End every open output of a <see cref="Streaming.GenerationHandle"/>.</summary>
    AbortRequest,

    /// <summary>End one <see cref="Sequence"/> whose text has ended by itself.</summary>
    AbortSequence,

    /// <summary>Forget all cached prefixes; the target is a task source for the answer.</summary>
    ResetPrefixCache,

    /// <summary>End the loop.</summary>
    Stop,
}

internal readonly record struct EngineCommand(CommandKind Kind, object? Target);

/// <summary>Commands from any thread to the engine's thread, in order. Taking them allocates nothing in steady state.</summary>
internal sealed class CommandQueue : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private List<EngineCommand> _incoming = new(64);
    private List<EngineCommand> _taken = new(64);
    private bool _closed;

    /// <summary>False when the queue is closed: nobody will ever take the command.</summary>
    public bool Post(EngineCommand command)
    {
        bool wasEmpty;
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            wasEmpty = _incoming.Count == 0;
            _incoming.Add(command);
        }

        if (wasEmpty)
        {
            _arrived.Release();
        }

        return true;
    }

    public void Dispose() => _arrived.Dispose();

    /// <summary>Refuses every later command and returns those that were not taken.</summary>
    public List<EngineCommand> Close()
    {
        lock (_lock)
        {
            _closed = true;
            List<EngineCommand> rest = _incoming;
            _incoming = [];
            return rest;
        }
    }

    /// <summary>
    /// All commands posted since the last call; valid until the next one. With <paramref name="wait"/> it blocks until there is one.
    /// </summary>
    public List<EngineCommand> Take(bool wait)
    {
        _taken.Clear();
        if (!wait && Volatile.Read(ref _incoming).Count == 0)
        {
            return _taken;
        }

        // A token is released only on the step from empty to not empty, so tokens and batches match one to one.
        if (wait)
        {
            _arrived.Wait();
        }
        else if (!_arrived.Wait(0))
        {
            return _taken;
        }

        lock (_lock)
        {
            (_incoming, _taken) = (_taken, _incoming);
        }

        return _taken;
    }
}
