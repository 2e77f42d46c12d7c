using System;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// The activation buffers of a model, allocated once for the largest step. The projections of attention and of the feed-forward block
/// are never alive together and share one buffer.
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
        _logits = backend.Allocate(DType.F32, maxLogitRows, spec.VocabularySize);
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
            + (long)maxLogitRows * spec.HiddenSize;
        return elements * activationType.SizeInBytes() + (long)maxLogitRows * spec.VocabularySize * sizeof(float);
    }

    internal Tensor Residual(int tokens) => _residual.Take(tokens);

    internal Tensor Hidden(int tokens) => _hidden.Take(tokens);

    internal Tensor Gathered(int rows) => _gathered.Take(rows);

    internal Tensor Logits(int rows) => _logits.Take(rows);

    internal Tensor Qkv(int tokens) => Scratch(0, tokens, _spec.Attention.QkvSize);

    internal Tensor Attended(int tokens) => Scratch(_spec.Attention.QkvSize, tokens, _spec.Attention.QuerySize);

    internal Tensor FeedForwardInput(int tokens, FeedForwardSpec spec) => Scratch(0, tokens, spec.InputSize);

    internal Tensor FeedForwardInner(int tokens, FeedForwardSpec spec) => Scratch(spec.InputSize, tokens, spec.InnerSize);

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
        foreach (LayerSpec layer in spec.Layers)
        {
            FeedForwardSpec feedForward = layer.FeedForward;
            columns = Math.Max(columns, feedForward.Gated ? feedForward.InputSize + feedForward.InnerSize : feedForward.InputSize);
        }

        return columns;
    }
}
