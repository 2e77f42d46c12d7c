using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>
/// All requests that wait. Besides the queue proper there are those that could not be taken for a reason that is not about blocks (their adapter does
/// not fit the step); they stand before the others, so that they are taken as soon as they can be.
/// </summary>
internal sealed class WaitingLine
{
    private readonly SchedulingPolicy _policy;
    private readonly WaitingQueue _waiting;
    private readonly WaitingQueue _skipped;
    private readonly WaitingQueue _passedOver;

    public WaitingLine(SchedulingPolicy policy)
    {
        _policy = policy;
        _waiting = new WaitingQueue(policy);
        _skipped = new WaitingQueue(policy);
        _passedOver = new WaitingQueue(policy);
    }

    public int Count => _waiting.Count + _skipped.Count + _passedOver.Count;

    /// <summary>Those that were passed over in the last turn.</summary>
    public int DeferredCount => _skipped.Count + _passedOver.Count;

    /// <summary>The request whose turn it is, or null.</summary>
    public RequestState? Head
    {
        get
        {
            RequestState? skipped = _skipped.Head;
            RequestState? waiting = _waiting.Head;
            if (skipped is null || waiting is null)
                return skipped ?? waiting;
            return _policy == SchedulingPolicy.Fcfs || WaitingQueue.ComesBefore(skipped, waiting) ? skipped : waiting;
        }
    }

    /// <summary>A new request, behind all others.</summary>
    public void Join(RequestState request) => _waiting.Append(request);

    /// <summary>A request that had been taken before, ahead of the new ones.</summary>
    public void Return(RequestState request) => _waiting.Prepend(request);

    /// <summary>Takes a request out of the line, wherever it stands; does nothing when it is not in it.</summary>
    public static void Remove(RequestState request) => request.Queue?.Remove(request);

    /// <summary>Lets others go first until <see cref="EndOfTurn"/>.</summary>
    public void PassOver(RequestState request)
    {
        Remove(request);
        _passedOver.Append(request);
    }

    /// <summary>Puts everybody who was passed over at the front again.</summary>
    public void EndOfTurn() => _skipped.PrependAll(_passedOver);

    /// <summary>Adds the requests in the order in which they would be taken.</summary>
    public void CopyTo(List<RequestState> destination)
    {
        int first = destination.Count;
        _skipped.CopyTo(destination);
        _waiting.CopyTo(destination);
        if (_policy == SchedulingPolicy.Priority)
        {
            destination.Sort(first, destination.Count - first,
                Comparer<RequestState>.Create(static (a, b) => WaitingQueue.ComesBefore(a, b) ? -1 : WaitingQueue.ComesBefore(b, a) ? 1 : 0));
        }
    }
}
