using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using Quire.Core.Requests;
using Quire.Tokenization;

namespace Quire.Engine.Streaming;

/// <summary>
/// Turns the tokens of one output into text: incremental decoding, stop strings, logprob texts, and the grouping into deltas. Used by
/// the reader of a request only.
/// </summary>
internal sealed class OutputAssembler
{
    private readonly SamplingParams _sampling;
    private readonly IncrementalDecoder? _decoder;
    private readonly StopMatcher? _stops;
    private readonly TokenTextCorrector? _texts;
    private readonly List<int>? _preceding;
    private readonly int _streamInterval;
    private readonly StringBuilder _text = new();
    private List<int> _tokenIds = [];
    private List<TokenLogprobs>? _logprobs;
    private StopReason _stopReason;
    private bool _finishSent;
    private bool _anySent;
    private bool _closed;

    /// <param name="index">Which of the n outputs.</param>
    /// <param name="promptTokenIds">What the output continues.</param>
    /// <param name="sampling">The request's parameters.</param>
    /// <param name="text">How the engine makes text; null without a tokenizer.</param>
    /// <param name="stops">The request's stop strings.</param>
    /// <param name="streamInterval">Tokens that a delta holds at least.</param>
    public OutputAssembler(int index, int[] promptTokenIds, SamplingParams sampling, TextServices? text, StopTexts stops, int streamInterval)
    {
        Index = index;
        _sampling = sampling;
        _streamInterval = Math.Max(streamInterval, sampling.StreamInterval ?? 1);
        if (text is not null && sampling.Detokenize)
        {
            _decoder = new IncrementalDecoder(text.Tokenizer, sampling.SkipSpecialTokens, promptTokenIds);
            _stops = stops.IsEmpty ? null : new StopMatcher(stops);
        }

        if (text is not null && (sampling.Logprobs is not null || sampling.LogprobTokenIds is not null))
        {
            _texts = text.TokenTexts;
            _preceding = [.. promptTokenIds.AsSpan(Math.Max(0, promptTokenIds.Length - TokenTextCorrector.ContextMax))];
        }
    }

    public int Index { get; }

    public int TokenCount { get; private set; }

    public FinishReason? FinishReason { get; private set; }

    public bool IsFinished => FinishReason is not null || _closed;

    /// <summary>True when the text, not the engine, ended this output: the engine has to be told.</summary>
    public bool EndedByStopString { get; private set; }

    public void Process(in TokenEvent tokenEvent)
    {
        if (tokenEvent.HasToken)
        {
            AddToken(tokenEvent);
        }

        if (tokenEvent.Finish is { } finish && FinishReason is null)
        {
            FinishReason = finish;
            _stopReason = new StopReason(null, tokenEvent.StopTokenId);
            Flush();
        }
    }

    /// <summary>What has become ready to send since the last call; null when that is nothing, or not yet worth a chunk.</summary>
    public OutputDelta? TakeDelta()
    {
        bool finishes = FinishReason is not null && !_finishSent;
        bool ready = finishes || (_tokenIds.Count > 0 && (!_anySent || _tokenIds.Count >= _streamInterval));
        if (!ready)
        {
            return null;
        }

        var delta = new OutputDelta
        {
            Index = Index,
            Text = _text.ToString(),
            TokenIds = _tokenIds,
            Logprobs = _logprobs,
            FinishReason = finishes ? FinishReason : null,
            StopReason = finishes ? _stopReason : default,
        };
        _text.Clear();
        _tokenIds = [];
        _logprobs = null;
        _anySent = true;
        _finishSent = finishes;
        return delta;
    }

    /// <summary>True the first time: the output's end is counted once.</summary>
    public bool Close()
    {
        bool first = !_closed;
        _closed = true;
        return first;
    }

    private void AddToken(in TokenEvent tokenEvent)
    {
        TokenCount++;
        _tokenIds.Add(tokenEvent.TokenId);
        if (tokenEvent.Logprobs is { } logprobs)
        {
            (_logprobs ??= []).Add(LogprobFormatter.Format(logprobs, _texts, CollectionsMarshal.AsSpan(_preceding)));
        }

        Remember(tokenEvent.TokenId);
        bool endsByToken = tokenEvent.Finish == Core.Requests.FinishReason.Stop;
        if (_decoder is null || (endsByToken && !_sampling.IncludeStopStrInOutput))
        {
            return;
        }

        AddText(_decoder.Append(tokenEvent.TokenId));
    }

    private void AddText(string text)
    {
        if (_stops is null)
        {
            _text.Append(text);
            return;
        }

        if (_stops.Append(text, maySearch: TokenCount > _sampling.MinTokens))
        {
            FinishReason = Core.Requests.FinishReason.Stop;
            _stopReason = new StopReason(_stops.Stop, null);
            EndedByStopString = true;
        }

        _text.Append(_stops.TakeText());
    }

    /// <summary>Keeps the last tokens, which complete the characters of later ones.</summary>
    private void Remember(int token)
    {
        if (_preceding is null)
        {
            return;
        }

        if (_preceding.Count == TokenTextCorrector.ContextMax)
        {
            _preceding.RemoveAt(0);
        }

        _preceding.Add(token);
    }

    /// <summary>The engine ended this output: half characters and held-back text come out now.</summary>
    private void Flush()
    {
        if (_decoder is not null)
        {
            AddText(_decoder.Flush());
        }

        if (_stops is not null)
        {
            _stops.Finish();
            _text.Append(_stops.TakeText());
        }
    }
}
