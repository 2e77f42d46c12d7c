using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Tensors;

namespace Quire.Models.Tests.Support;

/// <summary>A sequence of the driver: its blocks, and how many of its tokens are in the cache.</summary>
internal sealed class DrivenSequence(IReadOnlyList<int> blocks)
{
    public IReadOnlyList<int> Blocks { get; } = blocks;

    public int Cached { get; set; }
}

/// <summary>Tokens of one sequence in a step, and the slot of its adapter, −1 for none.</summary>
internal sealed record Chunk(DrivenSequence Sequence, IReadOnlyList<int> Tokens, int LoraSlot = -1);

/// <summary>
/// The smallest engine that can run a model: fills a <see cref="ForwardContext"/> from chunks of sequences. Blocks are handed out in a
/// scattered order so that a mistake in the block tables shows.
/// </summary>
internal sealed class ModelDriver
{
    public const int BlockSize = 16;

    private const int MaxBlocksPerSequence = 64;
    private readonly IBackend _backend;
    private readonly DecoderModel _model;
    private readonly ForwardContext _context;
    private readonly StagingBuffer _staging;
    private readonly Queue<int> _freeBlocks = new();
    private readonly int _maxTokens;
    private int _used;

    public ModelDriver(IBackend backend, DecoderModel model, int sequences = 2)
    {
        _backend = backend;
        _model = model;
        _maxTokens = model.Workspace.MaxTokens;
        int blocks = 1 + sequences * MaxBlocksPerSequence;
        _context = new ForwardContext { KvCache = backend.CreateKvCache(model.KvCacheShape(BlockSize, blocks, DType.F32)) };
        _staging = backend.AllocateStaging(4 * (6 * _maxTokens + sequences * (MaxBlocksPerSequence + 2) + 1 + 128));
        for (int i = 0; i < blocks - 1; i++)
        {
            // A stride that is prime to every block count used here visits all blocks out of order.
            _freeBlocks.Enqueue(1 + (int)(i * 7919L % (blocks - 1)));
        }
    }

    public DrivenSequence NewSequence()
    {
        var blocks = new int[MaxBlocksPerSequence];
        for (int i = 0; i < blocks.Length; i++)
        {
            blocks[i] = _freeBlocks.Dequeue();
        }

        return new DrivenSequence(blocks);
    }

    /// <summary>Runs one step and returns the logits of the last token of every chunk.</summary>
    public float[][] Step(params Chunk[] chunks)
    {
        var rows = new int[chunks.Length];
        int row = -1;
        for (int i = 0; i < chunks.Length; i++)
        {
            row += chunks[i].Tokens.Count;
            rows[i] = row;
        }

        Fill(chunks, rows);
        return Copy(_model.Forward(_context));
    }

    /// <summary>Runs one step and returns the logits of all its tokens, taken through the head in pieces.</summary>
    public float[][] StepForAllRows(params Chunk[] chunks)
    {
        Fill(chunks, []);
        _model.RunLayers(_context);
        var logits = new List<float[]>();
        int tokens = _context.Tokens;
        for (int start = 0; start < tokens; start += _model.Workspace.MaxLogitRows)
        {
            int count = Math.Min(_model.Workspace.MaxLogitRows, tokens - start);
            var rows = new int[count];
            for (int i = 0; i < count; i++)
            {
                rows[i] = start + i;
            }

            Tensor indices = Put(rows);
            _staging.Flush(4 * _used);
            logits.AddRange(Copy(_model.ComputeLogits(indices)));
        }

        return [.. logits];
    }

    /// <summary>Repeats the last step as it was, for measuring.</summary>
    public void Repeat() => _model.Forward(_context);

    private void Fill(Chunk[] chunks, int[] logitRows)
    {
        _used = 0;
        var tokens = new List<int>();
        var positions = new List<int>();
        var slots = new List<int>();
        var starts = new List<int> { 0 };
        var contexts = new List<int>();
        var tables = new List<int>();
        int longestQuery = 0;
        int longestContext = 0;
        foreach (Chunk chunk in chunks)
        {
            DrivenSequence sequence = chunk.Sequence;
            foreach (int token in chunk.Tokens)
            {
                int position = sequence.Cached++;
                tokens.Add(token);
                positions.Add(position);
                slots.Add(sequence.Blocks[position / BlockSize] * BlockSize + position % BlockSize);
            }

            starts.Add(tokens.Count);
            contexts.Add(sequence.Cached);
            tables.AddRange(sequence.Blocks);
            longestQuery = Math.Max(longestQuery, chunk.Tokens.Count);
            longestContext = Math.Max(longestContext, sequence.Cached);
        }

        _context.TokenIds = Put([.. tokens]);
        _context.Positions = Put([.. positions]);
        _context.Slots = Put([.. slots]);
        Tensor table = Put([.. tables]);
        _context.Attention = new AttentionBatch
        {
            Sequences = chunks.Length,
            QueryStarts = Put([.. starts]),
            ContextLengths = Put([.. contexts]),
            BlockTables = new Tensor(table.Data, DType.I32, chunks.Length, MaxBlocksPerSequence),
            MaxQueryLength = longestQuery,
            MaxContextLength = longestContext,
        };
        _context.LogitRows = Put(logitRows);
        _context.Lora = _model.Lora is null ? default : Lora(chunks, _model.Lora.Slots);
        _staging.Flush(4 * _used);
    }

    private LoraBatch Lora(Chunk[] chunks, int slots)
    {
        int[] rows = [.. chunks.SelectMany(chunk => Enumerable.Repeat(chunk.LoraSlot, chunk.Tokens.Count))];
        int[] order = [.. Enumerable.Range(0, rows.Length).Where(row => rows[row] >= 0).OrderBy(row => rows[row])];
        int[] starts = [.. Enumerable.Range(0, slots + 1).Select(slot => order.Count(row => rows[row] < slot))];
        return new LoraBatch { Slots = Put(rows), Order = Put(order), Starts = Put(starts) };
    }

    private Tensor Put(int[] values)
    {
        values.CopyTo(MemoryMarshal.Cast<byte, int>(_staging.Host)[_used..]);
        var tensor = new Tensor(_staging.DeviceAddress + 4 * _used, DType.I32, 1, values.Length);
        _used += values.Length;
        return tensor;
    }

    private float[][] Copy(Tensor logits)
    {
        var rows = new float[logits.Rows][];
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row] = _backend.MapLogits(logits, row).ToArray();
        }

        return rows;
    }
}
