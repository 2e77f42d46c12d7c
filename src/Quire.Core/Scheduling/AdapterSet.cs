using System;
using System.Collections.Generic;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>The different adapters in one step; at most max_loras.</summary>
internal sealed class AdapterSet
{
    private readonly int _limit;
    private readonly List<string> _names = [];

    /// <param name="limit">0 is no limit.</param>
    public AdapterSet(int limit) => _limit = limit;

    /// <summary>Starts with the adapters of what runs already.</summary>
    public void Restart(ReadOnlySpan<RequestState> running)
    {
        _names.Clear();
        if (_limit == 0)
            return;
        foreach (RequestState request in running)
            Add(request);
    }

    /// <summary>Whether the request can join the step.</summary>
    public bool Admits(RequestState request) =>
        _limit == 0 || request.Spec.LoraName is not { } name || _names.Count < _limit || _names.Contains(name);

    public void Add(RequestState request)
    {
        if (_limit > 0 && request.Spec.LoraName is { } name && !_names.Contains(name))
            _names.Add(name);
    }
}
