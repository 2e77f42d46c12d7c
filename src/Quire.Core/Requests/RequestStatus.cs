namespace Quire.Core.Requests;

/// <summary>Where a request stands.</summary>
public enum RequestStatus
{
    /// <summary>Admitted, not scheduled yet.</summary>
    Waiting,

    /// <summary>Holds cache blocks and is in the running list.</summary>
    Running,

    /// <summary>Lost its cache blocks and waits to be computed again.</summary>
    Preempted,

    /// <summary>Ended; <see cref="RequestState.FinishReason"/> says how.</summary>
    Finished,
}
