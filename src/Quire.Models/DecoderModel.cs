using System;
using System.Collections.Generic;
using System.Diagnostics;
using Quire.Models.Blocks;
using Quire.Models.Config;
using Quire.Models.Quantization;
using Quire.Models.Lora;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models;

/// <summary>
/// A decoder-only transformer: embedding, layers, norm, logits. Written once for every architecture (see <see cref="DecoderSpec"/>) and
/// every backend. A step allocates no managed memory. Used by one thread at a time; dispose it before its backend.
/// </summary>
public sealed class DecoderModel : IDisposable
{
    private readonly IBackend _backend;
    private readonly ITensorOps _ops;
    private readonly IWeightSource _source;
    private readonly HostMemory _host;
    private readonly Tensor _embedding;
    private readonly LinearWeight? _packedEmbedding;
    private readonly Tensor _positionEmbedding;
    private readonly DecoderLayer[] _layers;
    private readonly Norm? _finalNorm;
    private readonly LinearWeight? _projectIn;
    private readonly LinearWeight? _projectOut;
    private readonly LinearWeight _head;
    private Tensor _output;

    private DecoderModel(
        HfConfig config, ModelDefinition definition, DType type, QuantizationScheme? scheme, int maxModelLength, IBackend backend,
        IWeightSource source, HostMemory host, ModelOptions options, IProgress<LoadProgress>? progress)
    {
        Config = config;
        Spec = definition.Spec;
        WeightType = type;
        Quantization = scheme;
        MaxModelLength = maxModelLength;
        _backend = backend;
        _ops = backend.Ops;
        _source = source;
        _host = host;
        var slots = new DecoderSlots(definition);
        var binder = new WeightBinder(slots, source, type, host, progress, backend.KeepsBlocks, scheme);
        Lora = options.Lora is { } lora ? new LoraBank(new LoraTargets(slots, lora.TargetModules), lora, backend, host) : null;
        var builder = new DecoderBuilder(Spec, slots, binder, backend, host, maxModelLength, Lora);
        _packedEmbedding = builder.PackedEmbedding();
        _embedding = _packedEmbedding is null ? builder.Embedding() : default;
        _positionEmbedding = builder.PositionEmbedding();
        _layers = builder.Layers();
        _finalNorm = builder.FinalNorm();
        _projectIn = builder.ProjectIn();
        _projectOut = builder.ProjectOut();
        _head = builder.Head(_embedding, _packedEmbedding);
        WeightBytes = builder.WeightBytes;
        KvScales = KvScaleReader.Read(slots, source);
        binder.ReleaseNeighbours();
        Workspace = new DecoderWorkspace(Spec, backend, options.MaxBatchedTokens, options.MaxLogitRows);
    }

    public HfConfig Config { get; }

    public DecoderSpec Spec { get; }

    /// <summary>Element type of the weights.</summary>
    public DType WeightType { get; }

    /// <summary>How linear layers are quantised; null when they are not.</summary>
    public QuantizationScheme? Quantization { get; }

    /// <summary>Longest sequence that can be computed: positions are 0 … MaxModelLength − 1.</summary>
    public int MaxModelLength { get; }

    /// <summary>Bytes of the matrices as the backend keeps them.</summary>
    public long WeightBytes { get; }

    /// <summary>The slots for LoRA adapters; null when <see cref="ModelOptions.Lora"/> asked for none.</summary>
    public LoraBank? Lora { get; }

    /// <summary>What an FP8 KV cache is scaled by, one entry a layer: the checkpoint's, or 1.</summary>
    public IReadOnlyList<KvScales> KvScales { get; }

    public DecoderWorkspace Workspace { get; }

    /// <summary>Loads a model folder: config.json and the weights that options.LoadFormat names.</summary>
    /// <exception cref="CheckpointException">The folder cannot be used; the message says why.</exception>
    public static DecoderModel Load(string folder, IBackend backend, ModelOptions options, IProgress<LoadProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        HfConfig config = HfConfig.Load(folder, options.HfOverrides);
        return Load(config, folder, backend, options, progress);
    }

    /// <summary>Loads the weights of <paramref name="folder"/> for a config.json that was read before; LoadFormat dummy reads no folder.</summary>
    /// <exception cref="CheckpointException">The weights do not fit or cannot be read.</exception>
    public static DecoderModel Load(
        HfConfig config, string folder, IBackend backend, ModelOptions options, IProgress<LoadProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxBatchedTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxLogitRows, 1);
        DType type = ModelDType.Resolve(options.DType, config);
        ModelDefinition definition = ArchitectureRegistry.Define(config, type);
        QuantizationScheme? scheme = QuantizationMethods.Resolve(config, options.Quantization);
        int maxModelLength = options.MaxModelLength ?? ModelLength.Of(config).Default;
        var host = new HostMemory();
        IWeightSource? source = null;
        try
        {
            source = options.LoadFormat == LoadFormat.Dummy
                ? new DummyWeights(new DecoderSlots(definition), type, 1 - definition.Spec.Norm.WeightOffset, options.Seed, scheme)
                : WeightSources.Open(folder, config, options.LoadFormat);
            return new DecoderModel(config, definition, type, scheme, maxModelLength, backend, source, host, options, progress);
        }
        catch
        {
            source?.Dispose();
            host.Dispose();
            throw;
        }
    }

    /// <summary>The cache that this model needs where all its layers share a block table.</summary>
    public KvCacheShape KvCacheShape(int blockSize, int blocks, DType type) =>
        new(Spec.Layers.Count, Spec.Attention.KvHeads, Spec.Attention.HeadDim, blockSize, blocks, type);

    /// <summary>Runs a step and returns the logits [rows, vocabulary] F32 of context.LogitRows, valid until the next call.</summary>
    public Tensor Forward(ForwardContext context)
    {
        RunLayers(context);
        return ComputeLogits(context.LogitRows);
    }

    /// <summary>
    /// Runs a step up to the final norm and returns its output [tokens, hidden], which stays in the workspace until the next step.
    /// </summary>
    public Tensor RunLayers(ForwardContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int tokens = context.Tokens;
        Debug.Assert(tokens > 0 && tokens <= Workspace.MaxTokens);
        Debug.Assert(context.Positions.Columns == tokens && context.Slots.Columns == tokens);
        Tensor residual = Workspace.Residual(tokens);
        Tensor hidden = Workspace.Hidden(tokens);
        Tensor embedded = _projectIn is null ? residual : Workspace.Embedded(tokens);
        if (_packedEmbedding is not null)
        {
            _ops.Embed(context.TokenIds, _packedEmbedding, Spec.EmbeddingScale, embedded);
        }
        else
        {
            _ops.Embed(context.TokenIds, _embedding, Spec.EmbeddingScale, embedded);
        }

        if (_projectIn is not null)
        {
            _ops.Linear(embedded, _projectIn, residual);
        }

        if (!_positionEmbedding.IsNone)
        {
            _ops.Embed(context.Positions, _positionEmbedding, 1, hidden);
            _ops.Add(hidden, 1, residual);
        }

        var stream = new ResidualStream(_ops, residual, hidden, Spec.ResidualScale);
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].Forward(ref stream, context, context.KvCache.Layers[i], context.OfLayer(i), Workspace);
        }

        _output = stream.Enter(_finalNorm);
        return _output;
    }

    /// <summary>
    /// Logits of tokens of the last <see cref="RunLayers"/>. May be called several times a step, each call overwriting the logits of the
    /// one before.
    /// </summary>
    /// <param name="rowIndices">[1, rows] I32 in device memory: at most Workspace.MaxLogitRows rows of the step.</param>
    /// <returns>[rows, vocabulary] F32.</returns>
    public Tensor ComputeLogits(Tensor rowIndices)
    {
        int rows = rowIndices.Columns;
        Debug.Assert(rows <= Workspace.MaxLogitRows);
        Tensor gathered = Workspace.Gathered(rows);
        Tensor logits = Workspace.Logits(rows);
        if (rows == 0)
        {
            return logits;
        }

        _ops.GatherRows(_output, rowIndices, gathered);
        if (_projectOut is not null)
        {
            _ops.Linear(gathered, _projectOut, Workspace.Projected(rows));
            gathered = Workspace.Projected(rows);
        }

        _ops.Linear(gathered, _head, logits);
        if (Spec.LogitScale != 1)
        {
            _ops.Scale(logits, Spec.LogitScale);
        }

        if (Spec.LogitSoftCap > 0)
        {
            _ops.SoftCap(logits, Spec.LogitSoftCap);
        }

        return logits;
    }

    public void Dispose()
    {
        _backend.Synchronize();
        _source.Dispose();
        _host.Dispose();
    }
}
