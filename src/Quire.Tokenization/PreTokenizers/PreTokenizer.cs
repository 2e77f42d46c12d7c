using System;
using System.Collections.Generic;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>One step of cutting text into the pieces that the model encodes separately.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Hands the pieces of a non-empty <paramref name="text"/> to <paramref name="sink"/>, in order, none empty.</summary>
    /// <param name="text">A piece from the step before.</param>
    /// <param name="atStart">Whether the piece begins the whole input.</param>
    /// <param name="sink">The steps after this one.</param>
    public abstract void Split(ReadOnlySpan<char> text, bool atStart, PieceSink sink);
}

/// <summary>What comes after a step: the remaining steps and, behind them, the model.</summary>
internal readonly ref struct PieceSink
{
    private readonly ReadOnlySpan<PreTokenizer> _steps;
    private readonly BpeModel _model;
    private readonly List<int> _destination;

    public PieceSink(ReadOnlySpan<PreTokenizer> steps, BpeModel model, List<int> destination)
    {
        _steps = steps;
        _model = model;
        _destination = destination;
    }

    public void Take(ReadOnlySpan<char> piece, bool atStart)
    {
        if (piece.IsEmpty)
            return;
        if (_steps.IsEmpty)
            _model.Encode(piece, _destination);
        else
            _steps[0].Split(piece, atStart, new PieceSink(_steps[1..], _model, _destination));
    }
}
