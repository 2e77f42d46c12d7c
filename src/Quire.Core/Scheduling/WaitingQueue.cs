using System;
using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>
/// Requests that wait, in the order of the policy: a doubly linked list through the requests (first come, first served),
/// or a binary heap on (priority, arrival). Any request can be taken out: O(1) from the list, O(log n) from the heap.
/// </summary>
internal sealed class WaitingQueue
{
    private readonly SchedulingPolicy _policy;
    private RequestState[] _heap = [];
    private RequestState? _first;
    private RequestState? _last;

    public WaitingQueue(SchedulingPolicy policy) => _policy = policy;

    public int Count { get; private set; }

    /// <summary>The request whose turn it is, or null.</summary>
    public RequestState? Head => _policy == SchedulingPolicy.Fcfs ? _first : Count > 0 ? _heap[0] : null;

    /// <summary>Whether a request is served before another one under the priority policy. Arrival numbers differ, so this is a total order.</summary>
    public static bool ComesBefore(RequestState a, RequestState b) =>
        a.Spec.Priority != b.Spec.Priority ? a.Spec.Priority < b.Spec.Priority : a.Arrival < b.Arrival;

    /// <summary>Behind all others (in a heap: where its priority puts it).</summary>
    public void Append(RequestState request)
    {
        Enter(request);
        if (_policy == SchedulingPolicy.Priority)
        {
            Push(request);
            return;
        }

        request.QueuePrevious = _last;
        if (_last is null)
            _first = request;
        else
            _last.QueueNext = request;
        _last = request;
    }

    /// <summary>Before all others (in a heap: where its priority puts it).</summary>
    public void Prepend(RequestState request)
    {
        Enter(request);
        if (_policy == SchedulingPolicy.Priority)
        {
            Push(request);
            return;
        }

        request.QueueNext = _first;
        if (_first is null)
            _last = request;
        else
            _first.QueuePrevious = request;
        _first = request;
    }

    /// <summary>Puts all requests of another queue before those of this one, in their order, and empties the other.</summary>
    public void PrependAll(WaitingQueue other)
    {
        while (other.Count > 0)
        {
            RequestState request = _policy == SchedulingPolicy.Fcfs ? other._last! : other.Head!;
            other.Remove(request);
            Prepend(request);
        }
    }

    public void Remove(RequestState request)
    {
        Invariant.Check(ReferenceEquals(request.Queue, this), "a request was taken out of a queue it is not in");
        request.Queue = null;
        Count--;
        if (_policy == SchedulingPolicy.Priority)
        {
            RemoveFromHeap(request);
            return;
        }

        if (request.QueuePrevious is null)
            _first = request.QueueNext;
        else
            request.QueuePrevious.QueueNext = request.QueueNext;
        if (request.QueueNext is null)
            _last = request.QueuePrevious;
        else
            request.QueueNext.QueuePrevious = request.QueuePrevious;
        request.QueueNext = null;
        request.QueuePrevious = null;
    }

    /// <summary>The requests in the order in which they would be taken; for inspection.</summary>
    public void CopyTo(List<RequestState> destination)
    {
        if (_policy == SchedulingPolicy.Fcfs)
        {
            for (RequestState? request = _first; request is not null; request = request.QueueNext)
                destination.Add(request);
            return;
        }

        RequestState[] sorted = _heap.AsSpan(0, Count).ToArray();
        Array.Sort(sorted, static (a, b) => ComesBefore(a, b) ? -1 : ComesBefore(b, a) ? 1 : 0);
        destination.AddRange(sorted);
    }

    private void Enter(RequestState request)
    {
        Invariant.Check(request.Queue is null, "a request waits in one queue at a time");
        request.Queue = this;
        Count++;
    }

    private void Push(RequestState request)
    {
        if (Count > _heap.Length)
            Array.Resize(ref _heap, Math.Max(16, _heap.Length * 2));
        Place(request, Count - 1);
        SiftUp(Count - 1);
    }

    private void RemoveFromHeap(RequestState request)
    {
        int hole = request.QueueIndex;
        RequestState moved = _heap[Count];
        _heap[Count] = null!;
        request.QueueIndex = -1;
        if (hole == Count)
            return;
        Place(moved, hole);
        SiftUp(hole);
        SiftDown(moved.QueueIndex);
    }

    private void SiftUp(int index)
    {
        RequestState request = _heap[index];
        while (index > 0 && ComesBefore(request, _heap[(index - 1) / 2]))
        {
            Place(_heap[(index - 1) / 2], index);
            index = (index - 1) / 2;
        }

        Place(request, index);
    }

    private void SiftDown(int index)
    {
        RequestState request = _heap[index];
        while (true)
        {
            int child = (2 * index) + 1;
            if (child >= Count)
                break;
            if (child + 1 < Count && ComesBefore(_heap[child + 1], _heap[child]))
                child++;
            if (!ComesBefore(_heap[child], request))
                break;
            Place(_heap[child], index);
            index = child;
        }

        Place(request, index);
    }

    private void Place(RequestState request, int index)
    {
        _heap[index] = request;
        request.QueueIndex = index;
    }
}
