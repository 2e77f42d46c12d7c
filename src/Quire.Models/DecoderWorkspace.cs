using System;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// The activation buffers of a model, allocated once for the largest step. The projections of attention and of the feed-forward block
/// are never alive together and share one buffer, and logits, which come when both are done, lie in it too where they fit.
/// </summary>
public sealed class DecoderWorkspace
{
    private const int Alignment = 64;

    private readonly DecoderSpec _spec;
    private readonly Tensor _residual;
    private readonly Tensor _hidden;
    private readonly Tensor _scratch;
    private readonly Tensor _gathered;
    private readonly Tensor _logits;
    private readonly Tensor _projected;
    private readonly Tensor _routerLogits;
    private readonly Tensor _expertIds;
    private readonly Tensor _expertWeights;

    internal DecoderWorkspace(DecoderSpec spec, IBackend backend, int maxTokens, int maxLogitRows)
    {
        _spec = spec;
        MaxTokens = maxTokens;
        MaxLogitRows = maxLogitRows;
        DType type = backend.ActivationType;
        _residual = backend.Allocate(type, maxTokens, spec.HiddenSize);
        _hidden = backend.Allocate(type, maxTokens, spec.HiddenSize);
        _scratch = backend.Allocate(type, maxTokens + 1, ScratchColumns(spec, type));
        _gathered = backend.Allocate(type, maxLogitRows, spec.HiddenSize);
        _logits = LogitsInScratch(spec, type, maxTokens, maxLogitRows)
            ? new Tensor(_scratch.Data, DType.F32, maxLogitRows, spec.VocabularySize)
            : backend.Allocate(DType.F32, maxLogitRows, spec.VocabularySize);
        _projected = spec.EmbeddingSize is { } size ? backend.Allocate(type, maxLogitRows, size) : default;
        (int experts, int perToken) = MostExperts(spec);
        if (experts > 0)
        {
            _routerLogits = backend.Allocate(DType.F32, maxTokens, experts);
            _expertIds = backend.Allocate(DType.I32, maxTokens, perToken);
            _expertWeights = backend.Allocate(DType.F32, maxTokens, perToken);
        }
    }

    /// <summary>Most tokens of one step.</summary>
    public int MaxTokens { get; }

    /// <summary>Most rows of logits at once.</summary>
    public int MaxLogitRows { get; }

    /// <summary>Bytes of the buffers for a step of <paramref name="maxTokens"/> tokens and <paramref name="maxLogitRows"/> rows of logits.</summary>
    public static long SizeInBytes(DecoderSpec spec, DType activationType, int maxTokens, int maxLogitRows)
    {
        ArgumentNullException.ThrowIfNull(spec);
        long elements = 2L * maxTokens * spec.HiddenSize
            + (maxTokens + 1L) * ScratchColumns(spec, activationType)
            + (long)maxLogitRows * (spec.HiddenSize + (spec.EmbeddingSize ?? 0));
        (int experts, int perToken) = MostExperts(spec);
        return elements * activationType.SizeInBytes()
            + (LogitsInScratch(spec, activationType, maxTokens, maxLogitRows) ? 0 : LogitBytes(spec, maxLogitRows))
            + maxTokens * (experts + 2L * perToken) * sizeof(float);
    }

    internal Tensor Residual(int tokens) => _residual.Take(tokens);

    internal Tensor Hidden(int tokens) => _hidden.Take(tokens);

    internal Tensor Gathered(int rows) => _gathered.Take(rows);

    /// <summary>[rows, embedding]: what the head reads where it is not as wide as the stream.</summary>
    internal Tensor Projected(int rows) => _projected.Take(rows);

    /// <summary>[tokens, embedding]: embeddings before they are projected into the stream.</summary>
    internal Tensor Embedded(int tokens) => Scratch(0, tokens, _spec.EmbeddingColumns);

    internal Tensor Logits(int rows) => _logits.Take(rows);

    internal Tensor Qkv(int tokens) => Scratch(0, tokens, _spec.Attention.QkvSize);

    internal Tensor Attended(int tokens) => Scratch(_spec.Attention.QkvSize, tokens, _spec.Attention.QuerySize);

    internal Tensor FeedForwardInput(int tokens, FeedForwardSpec spec) => Scratch(0, tokens, spec.InputSize);

    internal Tensor FeedForwardInner(int tokens, FeedForwardSpec spec) => Scratch(spec.InputSize, tokens, spec.InnerSize);

    internal Tensor RouterLogits(int tokens, ExpertSpec experts) => Dense(_routerLogits, tokens, experts.Count);

    internal Tensor ExpertIds(int tokens, ExpertSpec experts) => Dense(_expertIds, tokens, experts.PerToken);

    internal Tensor ExpertWeights(int tokens, ExpertSpec experts) => Dense(_expertWeights, tokens, experts.PerToken);

    /// <summary>For rows that are one token with one of its experts each. The output takes the place of the input.</summary>
    internal Tensor ExpertInput(int rows, FeedForwardSpec spec) => Scratch(spec.InnerSize, rows, spec.InputSize);

    internal Tensor ExpertInner(int rows, FeedForwardSpec spec) => Scratch(0, rows, spec.InnerSize);

    internal Tensor ExpertOutput(int rows, FeedForwardSpec spec) => Scratch(spec.InnerSize, rows, _spec.HiddenSize);

    /// <summary>The beginning of a buffer as a matrix without gaps.</summary>
    private static Tensor Dense(Tensor buffer, int rows, int columns) => new(buffer.Data, buffer.Type, rows, columns);

    /// <summary>[tokens, columns] behind <paramref name="before"/> columns of another matrix with as many rows, at an aligned address.</summary>
    private Tensor Scratch(int before, int tokens, int columns)
    {
        long offset = (long)before * tokens * _scratch.Type.SizeInBytes();
        long aligned = (offset + Alignment - 1) / Alignment * Alignment;
        return new Tensor(_scratch.Data + (nint)aligned, _scratch.Type, tokens, columns);
    }

    /// <summary>Columns that the larger of the two blocks needs; the extra row of the buffer holds what alignment skips.</summary>
    private static int ScratchColumns(DecoderSpec spec, DType type)
    {
        int columns = Math.Max(spec.Attention.QkvSize + spec.Attention.QuerySize, Alignment / type.SizeInBytes());
        columns = Math.Max(columns, spec.EmbeddingSize ?? 0);
        foreach (LayerSpec layer in spec.Layers)
        {
            FeedForwardSpec feedForward = layer.FeedForward;
            int dense = feedForward.Gated ? feedForward.InputSize + feedForward.InnerSize : feedForward.InputSize;
            columns = Math.Max(columns, feedForward.Experts is { } experts
                ? checked(experts.PerToken * (feedForward.InnerSize + Math.Max(feedForward.InputSize, spec.HiddenSize)))
                : dense);
        }

        return columns;
    }

    private static long LogitBytes(DecoderSpec spec, int rows) => (long)rows * spec.VocabularySize * sizeof(float);

    private static bool LogitsInScratch(DecoderSpec spec, DType type, int maxTokens, int maxLogitRows) =>
        LogitBytes(spec, maxLogitRows) <= (long)maxTokens * ScratchColumns(spec, type) * type.SizeInBytes();

    /// <summary>The largest numbers of experts of any layer, and of experts for one token; 0 and 0 for a dense model.</summary>
    private static (int Experts, int PerToken) MostExperts(DecoderSpec spec)
    {
        int count = 0;
        int perToken = 0;
        foreach (LayerSpec layer in spec.Layers)
        {
            count = Math.Max(count, layer.FeedForward.Experts?.Count ?? 0);
            perToken = Math.Max(perToken, layer.FeedForward.Experts?.PerToken ?? 0);
        }

        return (count, perToken);
    }
}
