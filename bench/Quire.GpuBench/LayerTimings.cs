using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Cuda;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>The parts of a decoder layer, each alone: several layers' worth in a graph, so that memory is cold and launches are as in a step.</summary>
internal static class LayerTimings
{
    private const int BlockSize = 16;

    public static int Run(string[] arguments)
    {
        ModelShape shape = ModelShape.Find(arguments[0]);
        int layers = shape.Hidden >= 4096 ? 8 : 16;
        using CudaBackend cuda = Program.Open(overlap: Environment.GetEnvironmentVariable("QUIRE_NO_OVERLAP") is null);
        ITensorOps ops = cuda.Ops;
        using var host = new HostMemory();
        LinearWeight[] Weights(int outFeatures, int inFeatures) => Enumerable.Range(0, layers).Select(_ => cuda.CreateLinear(Random(cuda, host, outFeatures, inFeatures))).ToArray();
        int q = shape.Heads * shape.HeadDim;
        int kv = shape.KvHeads * shape.HeadDim;
        LinearWeight[] qkvs = Weights(q + 2 * kv, shape.Hidden);
        LinearWeight[] outputs = Weights(shape.Hidden, q);
        LinearWeight[] gates = Weights(2 * shape.Inner, shape.Hidden);
        LinearWeight[] downs = Weights(shape.Hidden, shape.Inner);
        Tensor norm = Random(cuda, host, 1, shape.Hidden);
        DType cacheType = DType.BF16;
        foreach (string argument in arguments.Skip(1))
        {
            // kv=int8: the cache of what follows.
            if (argument.StartsWith("kv=", StringComparison.Ordinal))
            {
                cacheType = Enum.GetValues<DType>().First(type => type.DisplayName() == argument[3..]);
                continue;
            }

            // 32x1024: 32 sequences with one query each behind 1,023 tokens. p4x2048: 4 prompts of 2,048 tokens.
            string[] numbers = argument.TrimStart('p').Split('x');
            int sequences = int.Parse(numbers[0], CultureInfo.InvariantCulture);
            int context = int.Parse(numbers[1], CultureInfo.InvariantCulture);
            int queriesEach = argument.StartsWith('p') ? context : 1;
            int rows = sequences * queriesEach;
            Tensor residual = Random(cuda, host, rows, shape.Hidden);
            Tensor hidden = Random(cuda, host, rows, shape.Hidden);
            Tensor qkv = Random(cuda, host, rows, q + 2 * kv);
            Tensor attended = Random(cuda, host, rows, q);
            Tensor gateUp = Random(cuda, host, rows, 2 * shape.Inner);
            Tensor inner = Random(cuda, host, rows, shape.Inner);
            int perSequence = (context + BlockSize - 1) / BlockSize;
            KvCache cache = cuda.CreateKvCache(new KvCacheShape(layers, shape.KvHeads, shape.HeadDim, BlockSize, sequences * perSequence + 1, cacheType));
            Tensor cosines = cuda.Upload(new HostMatrix(host.Allocate(DType.F32, context, shape.HeadDim / 2).Data, DType.F32, context, shape.HeadDim / 2));
            var rope = new RopeTable(cosines, cosines, shape.HeadDim);
            AttentionBatch batch = Batch(cuda, sequences, queriesEach, context, out Tensor positions, out Tensor slots);
            var spec = new AttentionSpec(shape.Heads, shape.KvHeads, shape.HeadDim, 1 / MathF.Sqrt(shape.HeadDim));
            Tensor queries = qkv.ColumnRange(0, q);
            Tensor keys = qkv.ColumnRange(q, kv);
            Tensor values = qkv.ColumnRange(q + kv, kv);
            double cacheBytes = 2.0 * cacheType.SizeInBytes() * kv * sequences * context;
            var parts = new List<(string Name, Action<int> Part, double Bytes)>
            {
                ("norm, qkv", i =>
                {
                    ops.RmsNorm(residual, norm, 1e-5f, 0, hidden);
                    ops.Linear(hidden, qkvs[i], qkv);
                }, qkvs[0].SizeInBytes),
                ("rope, attention", i =>
                {
                    ops.RopeAndStoreKv(queries, keys, values, positions, rope, slots, cache.Layers[i]);
                    ops.PagedAttention(queries, cache.Layers[i], batch, spec, attended);
                }, cacheBytes),
                ("attention", i => ops.PagedAttention(queries, cache.Layers[i], batch, spec, attended), cacheBytes),
                ("output, residual", i =>
                {
                    ops.Linear(attended, outputs[i], hidden);
                    ops.AddRmsNorm(hidden, residual, norm, 1e-5f, 0, hidden);
                }, outputs[0].SizeInBytes),
                ("norm, gate, up", i =>
                {
                    ops.RmsNorm(residual, norm, 1e-5f, 0, hidden);
                    ops.Linear(hidden, gates[i], gateUp);
                    ops.GatedActivation(Activation.Silu, gateUp, inner);
                }, gates[0].SizeInBytes),
                ("down, residual", i =>
                {
                    ops.Linear(inner, downs[i], hidden);
                    ops.AddRmsNorm(hidden, residual, norm, 1e-5f, 0, hidden);
                }, downs[0].SizeInBytes),
            };
            parts.Add(("whole layer", i =>
            {
                foreach ((string name, Action<int> part, double _) in parts)
                {
                    if (name is not ("attention" or "whole layer"))
                    {
                        part(i);
                    }
                }
            }, parts.Where((_, i) => i != 2).Sum(p => p.Bytes)));
            long key = ((long)rows << 40) | ((long)context << 8) | ((long)cacheType << 4);
            foreach ((string name, Action<int> part, double bytes) in parts)
            {
                key++;
                double micros = Time(cuda, key, layers, part);
                Console.WriteLine($"{argument,-10} {name,-18} {micros,8:F1} us {bytes / micros / 1e3,7:F0} GB/s");
            }
        }

        return 0;
    }

    /// <summary>Microseconds of the part for one layer.</summary>
    private static double Time(CudaBackend cuda, long key, int layers, Action<int> part)
    {
        void Once()
        {
            if (cuda.Graphs!.TryReplay(key))
            {
                return;
            }

            cuda.Graphs.Begin(key);
            for (int i = 0; i < layers; i++)
            {
                part(i);
            }

            cuda.Graphs.End(key);
        }

        cuda.IsTuning = true;
        part(0);
        cuda.IsTuning = false;
        for (int i = 0; i < 4; i++)
        {
            Once();
        }

        cuda.Synchronize();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 20; i++)
        {
            Once();
        }

        cuda.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / 20 / layers;
    }

    private static Tensor Random(CudaBackend cuda, HostMemory host, int rows, int columns)
    {
        // A repeating pattern of random numbers is enough: only zeroes and constants flatter a GPU.
        Tensor target = cuda.Allocate(DType.BF16, rows, columns);
        var random = new Random(rows ^ columns);
        const int Piece = 1 << 20;
        Tensor piece = host.Allocate(DType.BF16, 1, Piece);
        foreach (ref ushort value in piece.HostRow<ushort>(0))
        {
            value = FloatConversions.SingleToBFloat16((float)(random.NextDouble() - 0.5) / 16);
        }

        Tensor source = cuda.Upload(new HostMatrix(piece.Data, DType.BF16, 1, Piece));
        cuda.Repeat(source, target);
        return target;
    }

    private static AttentionBatch Batch(CudaBackend cuda, int sequences, int queries, int context, out Tensor positions, out Tensor slots)
    {
        int perSequence = (context + BlockSize - 1) / BlockSize;
        int rows = sequences * queries;
        var values = new List<int>();
        var starts = new List<int>();
        Tensor Add(StagingBuffer staging, IEnumerable<int> items, int tensorRows)
        {
            starts.Add(values.Count);
            values.AddRange(items);
            int count = values.Count - starts[^1];
            values.AddRange(new int[(16 - count % 16) % 16]);
            return new Tensor(staging.DeviceAddress + starts[^1] * sizeof(int), DType.I32, tensorRows, count / tensorRows);
        }

        int[] blocks = Enumerable.Range(1, sequences * perSequence).ToArray();
        new Random(2).Shuffle(blocks);
        int Position(int row) => context - queries + row % queries;
        StagingBuffer buffer = cuda.AllocateStaging((rows * 2 + sequences * (perSequence + 8) + 256) * sizeof(int));
        positions = Add(buffer, Enumerable.Range(0, rows).Select(Position), 1);
        slots = Add(buffer, Enumerable.Range(0, rows).Select(i => blocks[i / queries * perSequence + Position(i) / BlockSize] * BlockSize + Position(i) % BlockSize), 1);
        var batch = new AttentionBatch
        {
            Sequences = sequences,
            QueryStarts = Add(buffer, Enumerable.Range(0, sequences + 1).Select(i => i * queries), 1),
            ContextLengths = Add(buffer, Enumerable.Repeat(context, sequences), 1),
            BlockTables = Add(buffer, blocks, sequences),
            MaxQueryLength = queries,
            MaxContextLength = context,
        };
        values.ToArray().CopyTo(MemoryMarshal.Cast<byte, int>(buffer.Host));
        buffer.Flush(values.Count * sizeof(int));
        return batch;
    }
}
