namespace Quire.Tensors;

/// <summary>
/// Sequences of operations that a backend remembers and replays with one call, at the same addresses and with the same shapes: what saves
/// the host's time in decoding. Between <see cref="Begin"/> and <see cref="End"/> only operations are called, nothing is allocated or read.
/// </summary>
public interface IStepGraphs
{
    /// <summary>Replays what was called under this key before; false when it has to be called (again).</summary>
    bool TryReplay(long key);

    /// <summary>What is called from now on belongs to the key. Whether it runs at once or at <see cref="End"/> is the backend's business.</summary>
    void Begin(long key);

    /// <summary>Everything since <see cref="Begin"/> is queued.</summary>
    void End(long key);

    /// <summary>Leaves a recording after an error.</summary>
    void Cancel();
}
