using System;
using System.Collections.Generic;
using System.Diagnostics;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Bench;

/// <summary>
/// Times the kernels on the shapes of a decoder with weights of random numbers: each operation by itself, going through the layers so
/// that its weights come from memory, and whole steps.
/// </summary>
public sealed class KernelBenchmark : IDisposable
{
    private const int Context = 256;
    private const int BlockSize = 16;

    private readonly CpuBackend _backend;
    private readonly ITensorOps _ops;
    private readonly DecoderShape _shape;
    private readonly int _maxTokens;
    private readonly int _packedBits;
    private readonly BlockFormat? _blocks;
    private readonly Layer[] _layers;
    private readonly LinearWeight _head;
    private readonly KvCache _cache;
    private readonly RopeTable _rope;
    private readonly Tensor _hidden;
    private readonly Tensor _normed;
    private readonly Tensor _qkv;
    private readonly Tensor _attended;
    private readonly Tensor _gateUp;
    private readonly Tensor _gated;
    private readonly Tensor _logits;
    private readonly Tensor _positions;
    private readonly Tensor _slots;
    private readonly Func<double> _clock;
    private ulong _random = 0x9E37_79B9_7F4A_7C15;

    /// <param name="options">Threads and instructions.</param>
    /// <param name="shape">The decoder.</param>
    /// <param name="weightType">BF16, F16 or F32.</param>
    /// <param name="maxTokens">Most tokens in one step.</param>
    /// <param name="packedBits">4 or 8 packs the layers (not the head) as integers in groups of 128; 0 leaves them as they are.</param>
    /// <param name="blocks">A GGUF format that all weights are in; null leaves them as they are.</param>
    /// <param name="clock">Seconds since some moment; null for the wall clock.</param>
    public KernelBenchmark(CpuOptions options, DecoderShape shape, DType weightType, int maxTokens, int packedBits = 0, BlockFormat? blocks = null, Func<double>? clock = null)
    {
        _clock = clock ?? (() => (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency);
        _backend = new CpuBackend(options);
        _ops = _backend.Ops;
        _shape = shape;
        _maxTokens = maxTokens;
        _packedBits = packedBits;
        _blocks = blocks;
        int width = shape.Heads * shape.HeadDim;
        int kvWidth = shape.KvHeads * shape.HeadDim;
        _layers = new Layer[shape.Layers];
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i] = new Layer(
                _backend.CreateLinear(Source("qkv", weightType, shape.Hidden, width, kvWidth, kvWidth)),
                _backend.CreateLinear(Source("o", weightType, width, shape.Hidden)),
                _backend.CreateLinear(Source("gate|up", weightType, shape.Hidden, shape.Inner, shape.Inner)),
                _backend.CreateLinear(Source("down", weightType, shape.Inner, shape.Hidden)),
                Random(DType.F32, 1, shape.Hidden));
        }

        _head = _backend.CreateLinear(Source("head", weightType, shape.Hidden, shape.Vocabulary));
        int cacheBlocks = (Math.Max(maxTokens, 8 * Context) + BlockSize - 1) / BlockSize + 1;
        _cache = _backend.CreateKvCache(new KvCacheShape(shape.Layers, shape.KvHeads, shape.HeadDim, BlockSize, cacheBlocks, DType.BF16));
        _rope = new RopeTable(
            Random(DType.F32, maxTokens + Context, shape.HeadDim / 2), Random(DType.F32, maxTokens + Context, shape.HeadDim / 2), shape.HeadDim);
        _hidden = Random(DType.F32, maxTokens, shape.Hidden);
        _normed = Random(DType.F32, maxTokens, shape.Hidden);
        _qkv = Random(DType.F32, maxTokens, width + 2 * kvWidth);
        _attended = Random(DType.F32, maxTokens, width);
        _gateUp = Random(DType.F32, maxTokens, 2 * shape.Inner);
        _gated = Random(DType.F32, maxTokens, shape.Inner);
        _logits = _backend.Allocate(DType.F32, 8, shape.Vocabulary);
        _positions = _backend.Allocate(DType.I32, 1, maxTokens);
        _slots = _backend.Allocate(DType.I32, 1, maxTokens);
    }

    public CpuBackend Backend => _backend;

    /// <summary>Refuses shapes whose weights, as drawn and as packed, do not fit into the memory that is free.</summary>
    /// <exception cref="InsufficientMemoryException">They do not.</exception>
    public static void CheckMemory(DecoderShape shape, DType weightType, int packedBits, BlockFormat? blocks)
    {
        ArgumentNullException.ThrowIfNull(shape);
        double perWeight = blocks is { } format ? (double)format.BlockBytes() / format.BlockLength() : packedBits > 0 ? packedBits / 8.0 : weightType.SizeInBytes();
        double width = shape.HeadDim * (shape.Heads + 2.0 * shape.KvHeads) + shape.HeadDim * shape.Heads + 3.0 * shape.Inner;
        double bytes = 2 * perWeight * shape.Hidden * (shape.Layers * width + shape.Vocabulary);
        long free = HostMemoryInfo.Available(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        if (bytes > free)
        {
            throw new InsufficientMemoryException(string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{shape.Name} with these weights takes {bytes / 1e9:F1} GB, {free / 1e9:F1} GB are free; --short measures a smaller model"));
        }
    }

    /// <summary>Bytes of all weights.</summary>
    public long WeightBytes
    {
        get
        {
            long bytes = _head.SizeInBytes;
            foreach (Layer layer in _layers)
            {
                bytes += layer.Qkv.SizeInBytes + layer.Output.SizeInBytes + layer.GateUp.SizeInBytes + layer.Down.SizeInBytes;
            }

            return bytes;
        }
    }

    /// <summary>Times each operation for so many tokens, <paramref name="seconds"/> for each.</summary>
    public IEnumerable<KernelMeasurement> MeasureOperations(int tokens, double seconds)
    {
        Prepare(tokens, prefill: tokens > 8, out AttentionBatch batch);
        yield return Linear("qkv", tokens, seconds, _normed, _qkv, l => l.Qkv);
        yield return Linear("o", tokens, seconds, _attended, _hidden, l => l.Output);
        yield return Linear("gate|up", tokens, seconds, _normed, _gateUp, l => l.GateUp);
        yield return Linear("down", tokens, seconds, _gated, _hidden, l => l.Down);
        if (tokens <= 8)
        {
            yield return Linear("head", tokens, seconds, _normed, _logits, _ => _head);
        }

        var spec = new AttentionSpec(_shape.Heads, _shape.KvHeads, _shape.HeadDim, 0.125f);
        int width = _shape.Heads * _shape.HeadDim;
        double pairs = tokens > 8 ? 0.5 * tokens * (tokens + 1) : (double)tokens * Context;
        double cacheBytes = tokens > 8 ? 0 : 2.0 * tokens * Context * _shape.KvHeads * _shape.HeadDim * 2;
        yield return Time($"attention x{tokens}", seconds, cacheBytes, 4 * pairs * width, i =>
            _ops.PagedAttention(
                _qkv.Take(tokens).ColumnRange(0, width), _cache.Layers[i % _shape.Layers], batch, spec, _attended.Take(tokens)));
        yield return Time($"add + norm x{tokens}", seconds, 0, 0, i =>
            _ops.AddRmsNorm(
                _normed.Take(tokens), _hidden.Take(tokens), _layers[i % _shape.Layers].Norm, 1e-5f, 0, _normed.Take(tokens)));
        yield return Time($"rope + store x{tokens}", seconds, 0, 0, i => RopeAndStore(tokens, _cache.Layers[i % _shape.Layers]));
        yield return Time($"silu · up x{tokens}", seconds, 0, 0, _ =>
            _ops.GatedActivation(Activation.Silu, _gateUp.Take(tokens), _gated.Take(tokens)));
    }

    /// <summary>
    /// Times whole steps: up to 8 tokens as that many sequences with a context of 256, more as one prompt. Logits are made for each
    /// sequence.
    /// </summary>
    public KernelMeasurement MeasureStep(int tokens, double seconds)
    {
        bool prefill = tokens > 8;
        Prepare(tokens, prefill, out AttentionBatch batch);
        int rows = prefill ? 1 : tokens;
        double parameters = 0;
        foreach (Layer layer in _layers)
        {
            foreach (LinearWeight weight in new[] { layer.Qkv, layer.Output, layer.GateUp, layer.Down })
            {
                parameters += (double)weight.InFeatures * weight.OutFeatures;
            }
        }

        double flops = 2 * parameters * tokens + 2.0 * _head.InFeatures * _head.OutFeatures * rows;
        string name = prefill ? $"prompt of {tokens}" : $"decode, batch {tokens}";
        return Time(name, seconds, WeightBytes, flops, _ => Step(tokens, rows, batch)) with { Tokens = tokens };
    }

    public void Dispose() => _backend.Dispose();

    private void Step(int tokens, int logitRows, in AttentionBatch batch)
    {
        var spec = new AttentionSpec(_shape.Heads, _shape.KvHeads, _shape.HeadDim, 0.125f);
        Tensor hidden = _hidden.Take(tokens);
        Tensor normed = _normed.Take(tokens);
        Tensor qkv = _qkv.Take(tokens);
        _ops.RmsNorm(hidden, _layers[0].Norm, 1e-5f, 0, normed);
        for (int i = 0; i < _layers.Length; i++)
        {
            Layer layer = _layers[i];
            _ops.Linear(normed, layer.Qkv, qkv);
            RopeAndStore(tokens, _cache.Layers[i]);
            _ops.PagedAttention(
                qkv.ColumnRange(0, _shape.Heads * _shape.HeadDim), _cache.Layers[i], batch, spec, _attended.Take(tokens));
            _ops.Linear(_attended.Take(tokens), layer.Output, normed);
            _ops.AddRmsNorm(normed, hidden, layer.Norm, 1e-5f, 0, normed);
            _ops.Linear(normed, layer.GateUp, _gateUp.Take(tokens));
            _ops.GatedActivation(Activation.Silu, _gateUp.Take(tokens), _gated.Take(tokens));
            _ops.Linear(_gated.Take(tokens), layer.Down, normed);
            _ops.AddRmsNorm(normed, hidden, layer.Norm, 1e-5f, 0, normed);
        }

        _ops.Linear(normed.RowRange(tokens - logitRows, logitRows), _head, _logits.Take(logitRows));
    }

    private void RopeAndStore(int tokens, in KvCacheLayer layer)
    {
        Tensor qkv = _qkv.Take(tokens);
        int width = _shape.Heads * _shape.HeadDim;
        int kvWidth = _shape.KvHeads * _shape.HeadDim;
        _ops.RopeAndStoreKv(
            qkv.ColumnRange(0, width),
            qkv.ColumnRange(width, kvWidth),
            qkv.ColumnRange(width + kvWidth, kvWidth),
            _positions.ColumnRange(0, tokens),
            _rope,
            _slots.ColumnRange(0, tokens),
            layer);
    }

    private KernelMeasurement Linear(string name, int tokens, double seconds, Tensor x, Tensor y, Func<Layer, LinearWeight> pick)
    {
        LinearWeight weight = pick(_layers[0]);
        double flops = 2.0 * tokens * weight.InFeatures * weight.OutFeatures;
        return Time($"{name} {weight.OutFeatures}x{weight.InFeatures} x{tokens}", seconds, weight.SizeInBytes, flops, i =>
            _ops.Linear(x.Take(tokens), pick(_layers[i % _layers.Length]), y.Take(tokens)));
    }

    private KernelMeasurement Time(string name, double seconds, double bytes, double flops, Action<int> run)
    {
        run(0);
        var times = new List<double>();
        double start = _clock();
        for (int i = 1; times.Count < 3 || (_clock() - start < seconds && times.Count < 100_000); i++)
        {
            double before = _clock();
            run(i);
            times.Add(_clock() - before);
        }

        times.Sort();
        return new KernelMeasurement(name, times[times.Count / 2], times[0], times.Count, bytes, flops, 0);
    }

    /// <summary>Positions, slots and block tables: decode steps have one sequence for each token, prompts are one sequence.</summary>
    private void Prepare(int tokens, bool prefill, out AttentionBatch batch)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, _maxTokens);
        int sequences = prefill ? 1 : tokens;
        int context = prefill ? tokens : Context;
        int blocks = (context + BlockSize - 1) / BlockSize;
        Tensor starts = _backend.Allocate(DType.I32, 1, sequences + 1);
        Tensor contexts = _backend.Allocate(DType.I32, 1, sequences);
        Tensor tables = _backend.Allocate(DType.I32, sequences, blocks);
        for (int s = 0; s < sequences; s++)
        {
            starts.HostRow<int>(0)[s + 1] = prefill ? tokens : s + 1;
            contexts.HostRow<int>(0)[s] = context;
            for (int block = 0; block < blocks; block++)
            {
                tables.HostRow<int>(s)[block] = 1 + s * blocks + block;
            }
        }

        for (int t = 0; t < tokens; t++)
        {
            int position = prefill ? t : context - 1;
            _positions.HostRow<int>(0)[t] = position;
            _slots.HostRow<int>(0)[t] = tables.HostRow<int>(prefill ? 0 : t)[position / BlockSize] * BlockSize + position % BlockSize;
        }

        batch = new AttentionBatch
        {
            Sequences = sequences,
            QueryStarts = starts,
            ContextLengths = contexts,
            BlockTables = tables,
            MaxQueryLength = prefill ? tokens : 1,
            MaxContextLength = context,
        };
    }

    private LinearSource Source(string name, DType type, int inFeatures, params ReadOnlySpan<int> outFeatures)
    {
        var parts = new LinearPart[outFeatures.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (_blocks is { } format)
            {
                parts[i] = Blocks(format, outFeatures[i], inFeatures);
                continue;
            }

            if (_packedBits > 0 && name != "head")
            {
                parts[i] = Packed(outFeatures[i], inFeatures);
                continue;
            }

            Tensor weight = Random(type, outFeatures[i], inFeatures);
            parts[i] = new DensePart(new HostMatrix(weight.Data, type, weight.Rows, weight.Columns));
        }

        return new LinearSource(name, parts);
    }

    /// <summary>Bytes that are small numbers wherever they are read as F16.</summary>
    private BlockPart Blocks(BlockFormat format, int outFeatures, int inFeatures)
    {
        long halves = outFeatures * format.RowBytes(inFeatures) / 2;
        return new BlockPart(Random(DType.F16, checked((int)((halves + 7) / 8)), 8).Data, format, outFeatures, inFeatures);
    }

    private GroupAffinePart Packed(int outFeatures, int inFeatures)
    {
        const int GroupSize = 128;
        Tensor words = Random(DType.F32, outFeatures, (inFeatures * _packedBits + 31) / 32);
        Tensor scales = Random(DType.F16, outFeatures, (inFeatures + GroupSize - 1) / GroupSize);
        return new GroupAffinePart(
            new PackedIntegers(words.Data, _packedBits, IntegerOrder.RowsOfColumns, outFeatures, inFeatures),
            new HostMatrix(scales.Data, DType.F16, scales.Rows, scales.Columns),
            ScalesByGroup: false,
            null,
            GroupSize);
    }

    /// <summary>Small random numbers: the exponent bits are fixed so that every pattern is a number of about 0.02.</summary>
    private Tensor Random(DType type, int rows, int columns)
    {
        Tensor tensor = _backend.Allocate(type, rows, columns);
        (ulong keep, ulong set) = type switch
        {
            DType.F32 => (0x807F_FFFF_807F_FFFFUL, 0x3C80_0000_3C80_0000UL),
            DType.BF16 => (0x807F_807F_807F_807FUL, 0x3C80_3C80_3C80_3C80UL),
            _ => (0x83FF_83FF_83FF_83FFUL, 0x2400_2400_2400_2400UL),
        };
        for (int row = 0; row < rows; row++)
        {
            Span<ulong> words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(
                type.SizeInBytes() == 4
                    ? System.Runtime.InteropServices.MemoryMarshal.AsBytes(tensor.HostRow<float>(row))
                    : System.Runtime.InteropServices.MemoryMarshal.AsBytes(tensor.HostRow<ushort>(row)));
            for (int i = 0; i < words.Length; i++)
            {
                _random ^= _random << 13;
                _random ^= _random >> 7;
                _random ^= _random << 17;
                words[i] = (_random & keep) | set;
            }
        }

        return tensor;
    }

    private sealed record Layer(LinearWeight Qkv, LinearWeight Output, LinearWeight GateUp, LinearWeight Down, Tensor Norm);
}
