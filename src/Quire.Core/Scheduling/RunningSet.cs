using System;
using Quire.Core.Foundation;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>The running requests in the order in which they were taken. At most max_num_seqs, so the array never grows.</summary>
internal sealed class RunningSet
{
    private readonly RequestState[] _requests;

    public RunningSet(int capacity) => _requests = new RequestState[capacity];

    public int Count { get; private set; }

    public bool IsFull => Count == _requests.Length;

    public RequestState this[int index] => _requests[index];

    public ReadOnlySpan<RequestState> Span => _requests.AsSpan(0, Count);

    public void Append(RequestState request)
    {
        Invariant.Check(!IsFull, "more requests run than max_num_seqs");
        _requests[Count++] = request;
    }

    public int IndexOf(RequestState request) => Array.IndexOf(_requests, request, 0, Count);

    public void RemoveAt(int index)
    {
        Count--;
        Array.Copy(_requests, index + 1, _requests, index, Count - index);
        _requests[Count] = null!;
    }

    /// <summary>Drops all requests that have finished, in one pass.</summary>
    public void RemoveFinished()
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (_requests[i].Status != RequestStatus.Finished)
                _requests[kept++] = _requests[i];
        }

        Array.Clear(_requests, kept, Count - kept);
        Count = kept;
    }
}
