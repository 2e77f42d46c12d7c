namespace Quire.Engine;

/// <summary>Whether the engine does what it should.</summary>
public enum EngineState
{
    /// <summary>Idle, or making progress.</summary>
    Ok,

    /// <summary>There is work, and no step has ended for longer than the limit.</summary>
    Stalled,

    /// <summary>Taking nothing new; finishing what runs.</summary>
    Draining,

    /// <summary>It has failed and will not come back.</summary>
    Dead,
}

/// <param name="State">The state now.</param>
/// <param name="Reason">For people; empty when all is well.</param>
public readonly record struct EngineHealth(EngineState State, string Reason)
{
    /// <summary>True while requests are taken and progress is made.</summary>
    public bool IsHealthy => State == EngineState.Ok;
}

