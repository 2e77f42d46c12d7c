using System;
using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

/// <summary>Random sequences in a paged cache with shuffled blocks, and the batch that describes them.</summary>
internal sealed class AttentionWorld
{
    private readonly KernelWorld _world;
    private readonly List<int[]> _tables = [];
    private readonly List<(int Queries, int Context)> _sequences;

    /// <param name="world">Where tensors come from.</param>
    /// <param name="spec">Heads and their size.</param>
    /// <param name="blockSize">Tokens in a block.</param>
    /// <param name="type">Type of the cache.</param>
    /// <param name="sequences">Queries and context length of each sequence.</param>
    public AttentionWorld(KernelWorld world, AttentionSpec spec, int blockSize, DType type, params (int Queries, int Context)[] sequences)
    {
        _world = world;
        _sequences = [.. sequences];
        Spec = spec;
        int columns = 1;
        int blocks = 1;
        foreach ((int _, int context) in sequences)
        {
            columns = Math.Max(columns, (context + blockSize - 1) / blockSize);
            blocks += (context + blockSize - 1) / blockSize;
        }

        Columns = columns;
        var free = new int[blocks - 1];
        for (int i = 0; i < free.Length; i++)
        {
            free[i] = i + 1;
        }

        world.Random.Shuffle(free);
        int next = 0;
        foreach ((int _, int context) in sequences)
        {
            // Entries past the context point far outside the cache: reading through one would crash.
            var table = new int[columns];
            Array.Fill(table, int.MaxValue / 2);
            for (int i = 0; i < (context + blockSize - 1) / blockSize; i++)
            {
                table[i] = free[next++];
            }

            _tables.Add(table);
        }

        var shape = new KvCacheShape(1, spec.KvHeads, spec.HeadDim, blockSize, blocks, type);
        int rows = blocks * spec.KvHeads * blockSize;
        if (shape.IsQuantized)
        {
            Cache = RandomCodes(shape, rows);
            return;
        }

        Cache = new KvCacheLayer(
            world.Numbers(rows, spec.HeadDim, type: type).Data, world.Numbers(rows, spec.HeadDim, type: type).Data, shape);
        Poison(blockSize, rows);
    }

    public AttentionSpec Spec { get; set; }

    public KvCacheLayer Cache { get; }

    private int Columns { get; }

    /// <summary>The whole batch.</summary>
    public AttentionBatch Batch() => Batch([.. _sequences], [.. _tables]);

    /// <summary>One sequence alone, as it was when it had <paramref name="context"/> tokens, with its last queries.</summary>
    public AttentionBatch Single(int sequence, int queries, int context) => Batch([(queries, context)], [_tables[sequence]]);

    private AttentionBatch Batch((int Queries, int Context)[] sequences, int[][] tables)
    {
        var starts = new int[sequences.Length + 1];
        var contexts = new int[sequences.Length];
        int longestQuery = 0;
        int longestContext = 0;
        for (int i = 0; i < sequences.Length; i++)
        {
            starts[i + 1] = starts[i] + sequences[i].Queries;
            contexts[i] = sequences[i].Context;
            longestQuery = Math.Max(longestQuery, sequences[i].Queries);
            longestContext = Math.Max(longestContext, sequences[i].Context);
        }

        return new AttentionBatch
        {
            Sequences = sequences.Length,
            QueryStarts = _world.Integers(starts),
            ContextLengths = _world.Integers(contexts),
            BlockTables = _world.IntegerRows(Columns, tables),
            MaxQueryLength = longestQuery,
            MaxContextLength = longestContext,
        };
    }

    /// <summary>Random codes and scales; no code is a NaN or an infinity.</summary>
    private KvCacheLayer RandomCodes(KvCacheShape shape, int rows)
    {
        KvCacheLayer layer = _world.Cpu.CreateKvCache(shape).Layers[0];
        foreach (nint side in new[] { layer.Keys, layer.Values })
        {
            foreach (ref byte code in new Tensor(side, DType.U8, 1, rows * shape.HeadDim).HostRow<byte>(0))
            {
                code = (byte)(shape.Type == DType.I8 ? _world.Random.Next(256) : _world.Random.Next(0x40) | _world.Random.Next(2) << 7);
            }
        }

        foreach (nint scales in shape.HasScales ? new[] { layer.KeyScales, layer.ValueScales } : [])
        {
            foreach (ref float scale in new Tensor(scales, DType.F32, 1, rows).HostRow<float>(0))
            {
                scale = (float)_world.Random.NextDouble() / 127;
            }
        }

        return shape.HasScales ? layer : layer with { KeyScale = 0.37f, ValueScale = 1.7f };
    }

    /// <summary>Slots that hold no token of any sequence are NaN: a kernel that reads one shows it.</summary>
    private void Poison(int blockSize, int rows)
    {
        var used = new HashSet<(int Block, int Offset)>();
        for (int s = 0; s < _sequences.Count; s++)
        {
            for (int position = 0; position < _sequences[s].Context; position++)
            {
                used.Add((_tables[s][position / blockSize], position % blockSize));
            }
        }

        foreach (nint side in new[] { Cache.Keys, Cache.Values })
        {
            var tensor = new Tensor(side, Cache.Shape.Type, rows, Spec.HeadDim);
            for (int row = 0; row < rows; row++)
            {
                if (!used.Contains((row / (blockSize * Spec.KvHeads), row % blockSize)))
                {
                    for (int d = 0; d < Spec.HeadDim; d++)
                    {
                        Quire.Tensors.Reference.Elements.Store(tensor, row, d, float.NaN);
                    }
                }
            }
        }
    }
}
