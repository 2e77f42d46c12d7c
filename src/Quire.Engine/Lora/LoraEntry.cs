using System.Threading;
using Quire.Models.Lora;

namespace Quire.Engine.Lora;

/// <summary>
/// One loading of an adapter. Loading another one under the same name makes another entry, so that requests keep the weights that they
/// began with and share cached prefixes with no other version.
/// </summary>
internal sealed class LoraEntry(LoraRequest request, long id, LoraFiles files)
{
    private int _open;
    private int _waiting;
    private int _running;
    private volatile QuireException? _failure;

    public LoraRequest Request { get; } = request;

    public string Name => Request.Name;

    /// <summary>What separates the cached prefixes of this entry from all others.</summary>
    public string Identity { get; } = $"{request.Name}\n{id}";

    /// <summary>Where it was read from, and what the files looked like.</summary>
    public LoraFiles Files { get; } = files;

    /// <summary>The slot that holds it, −1 for none. Belongs to the engine's thread.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>The weights, kept here once the entry is unloaded while requests still need it. Guarded by the registry's lock.</summary>
    public LoraAdapter? Retained { get; set; }

    /// <summary>Accepted sequences that have not ended. Guarded by the registry's lock.</summary>
    public int Open { get => _open; set => _open = value; }

    /// <summary>Sequences of it that wait and that run: written by the engine's thread, read by metrics.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    public int Running => Volatile.Read(ref _running);

    /// <summary>Why its weights are lost; every request for it then ends with this.</summary>
    public QuireException? Failure { get => _failure; set => _failure = value; }

    public void Count(LoraPhase from, LoraPhase to)
    {
        Add(from, -1);
        Add(to, 1);
    }

    private void Add(LoraPhase phase, int count)
    {
        if (phase == LoraPhase.Waiting)
        {
            Volatile.Write(ref _waiting, _waiting + count);
        }
        else if (phase == LoraPhase.Running)
        {
            Volatile.Write(ref _running, _running + count);
        }
    }
}

/// <summary>Where a sequence with an adapter stands.</summary>
internal enum LoraPhase
{
    None,
    Waiting,
    Running,
}
