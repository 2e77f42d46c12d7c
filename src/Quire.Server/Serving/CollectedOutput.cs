using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Streaming;
using Quire.Server.Http;

namespace Quire.Server.Serving;

/// <summary>One output of a request, put together from its deltas.</summary>
internal sealed class CollectedOutput
{
    private readonly StringBuilder _text = new();

    public List<int> TokenIds { get; } = [];

    public List<TokenLogprobs>? Logprobs { get; private set; }

    public FinishReason FinishReason { get; private set; } = FinishReason.Abort;

    public StopReason StopReason { get; private set; }

    public string Text => _text.ToString();

    /// <summary>Reads a generation to its end.</summary>
    /// <exception cref="ApiException">An output ended with an error.</exception>
    public static async Task<CollectedOutput[]> CollectAsync(IGeneration generation, CancellationToken cancellationToken)
    {
        var outputs = new CollectedOutput[generation.OutputCount];
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i] = new CollectedOutput();
        }

        while (await generation.ReadAsync(cancellationToken) is { } delta)
        {
            outputs[delta.Index].Add(delta);
        }

        cancellationToken.ThrowIfCancellationRequested();
        foreach (CollectedOutput output in outputs)
        {
            if (output.FinishReason == FinishReason.Error)
            {
                throw new ApiException(FinishReasons.Failure);
            }
        }

        return outputs;
    }

    private void Add(OutputDelta delta)
    {
        _text.Append(delta.Text);
        TokenIds.AddRange(delta.TokenIds);
        if (delta.Logprobs is not null)
        {
            (Logprobs ??= []).AddRange(delta.Logprobs);
        }

        if (delta.FinishReason is { } reason)
        {
            FinishReason = reason;
            StopReason = delta.StopReason;
        }
    }
}
