using System;
using System.Diagnostics;

namespace Quire.Engine.Streaming;

/// <summary>
/// Finds stop strings in a text that grows, and keeps back what may not be sent yet. Of several stops the one that is complete first wins,
/// of those complete at once the first in the list. How the text is cut into pieces makes no difference to the result.
/// </summary>
public sealed class StopMatcher
{
    private readonly StopTexts _stops;
    private char[] _pending = new char[64];
    private int _pendingCount;
    private int _state;
    private bool _finished;

    public StopMatcher(StopTexts stops)
    {
        ArgumentNullException.ThrowIfNull(stops);
        _stops = stops;
    }

    /// <summary>The stop string that ended the text; null while there is none.</summary>
    public string? Stop { get; private set; }

    /// <summary>Takes the next piece of text. After a stop, pieces are ignored.</summary>
    /// <param name="piece">Any number of UTF-16 units.</param>
    /// <param name="maySearch">Whether a stop may end in this piece: false while min_tokens is not exceeded.</param>
    /// <returns>Whether the text has stopped.</returns>
    public bool Append(ReadOnlySpan<char> piece, bool maySearch = true)
    {
        if (Stop is not null)
            return true;
        Debug.Assert(!_finished, "No text comes after the end.");
        Reserve(_pendingCount + piece.Length);
        foreach (char letter in piece)
        {
            _pending[_pendingCount++] = letter;
            if (_stops.IsEmpty)
                continue;
            _state = _stops.Next(_state, letter);
            if (!_stops.TryGetCompleted(_state, out int stop) || !maySearch)
                continue;
            Stop = _stops[stop];
            if (!_stops.IncludeInOutput)
                _pendingCount -= Stop.Length;
            _finished = true;
            return true;
        }

        return false;
    }

    /// <summary>No more text comes: what was held back may be sent.</summary>
    public void Finish() => _finished = true;

    /// <summary>The text that may be sent and was not yet taken; empty when there is none.</summary>
    public string TakeText()
    {
        int ready = _finished ? _pendingCount : Math.Max(0, _pendingCount - _stops.HoldBack);

        // A character outside the basic plane is two units and must not be torn apart.
        if (!_finished && ready > 0 && char.IsHighSurrogate(_pending[ready - 1]))
            ready--;
        if (ready == 0)
            return "";
        var text = new string(_pending, 0, ready);
        _pendingCount -= ready;
        _pending.AsSpan(ready, _pendingCount).CopyTo(_pending);
        return text;
    }

    private void Reserve(int count)
    {
        if (_pending.Length < count)
            Array.Resize(ref _pending, Math.Max(count, _pending.Length * 2));
    }
}
