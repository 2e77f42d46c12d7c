using System.Collections.Generic;
using System.Text;
using Quire.Core.Requests;

namespace Quire.Engine.Streaming;

/// <summary>Joins the deltas of one output.</summary>
public sealed class OutputBuilder(int index)
{
    private readonly StringBuilder _text = new();
    private readonly List<int> _tokenIds = [];
    private List<TokenLogprobs>? _logprobs;
    private double _cumulativeLogprob;
    private FinishReason? _finishReason;
    private StopReason _stopReason;

    public void Add(OutputDelta delta)
    {
        _text.Append(delta.Text);
        _tokenIds.AddRange(delta.TokenIds);
        if (delta.Logprobs is not null)
        {
            _logprobs ??= [];
            foreach (TokenLogprobs logprobs in delta.Logprobs)
            {
                _logprobs.Add(logprobs);
                _cumulativeLogprob += logprobs.Entries[0].Logprob;
            }
        }

        _finishReason = delta.FinishReason ?? _finishReason;
        _stopReason = delta.StopReason.IsNone ? _stopReason : delta.StopReason;
    }

    public CompletionOutput Build() => new()
    {
        Index = index,
        Text = _text.ToString(),
        TokenIds = _tokenIds,
        CumulativeLogprob = _logprobs is null ? null : _cumulativeLogprob,
        Logprobs = _logprobs,
        FinishReason = _finishReason,
        StopReason = _stopReason,
    };
}
