using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Cuda;
using Quire.Models;
using Quire.Models.Config;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>Decode steps and prefills of a model with dummy weights, timed as the engine runs them. One JSON object a line.</summary>
internal static class StepTimings
{
    private const int BlockSize = 16;

    public static int Run(string[] arguments)
    {
        // llama-3.1-8b or llama-3.1-8b:fp8, quantised while it is loaded.
        string[] name = arguments[0].Split(':');
        ModelShape shape = ModelShape.Find(name[0]);
        var decodes = new List<(int Batch, int Context)>();
        var prefills = new List<(int Prompts, int Length)>();
        foreach (string argument in arguments.Skip(1))
        {
            string[] numbers = argument.TrimStart('p').Split('x');
            (int, int) pair = (int.Parse(numbers[0], CultureInfo.InvariantCulture), int.Parse(numbers[1], CultureInfo.InvariantCulture));
            (argument.StartsWith('p') ? prefills : decodes).Add(pair);
        }

        const int MaxTokens = 8192;
        using CudaBackend cuda = Program.Open(overlap: Environment.GetEnvironmentVariable("QUIRE_NO_OVERLAP") is null);
        var load = Stopwatch.StartNew();
        using DecoderModel model = DecoderModel.Load(
            HfConfig.Parse(shape.Config), "", cuda,
            new ModelOptions { LoadFormat = LoadFormat.Dummy, Quantization = name.ElementAtOrDefault(1), MaxBatchedTokens = MaxTokens, MaxLogitRows = 256, MaxModelLength = 16384 });
        int blocks = Math.Max(
            decodes.Select(d => d.Batch * ((d.Context + BlockSize) / BlockSize)).DefaultIfEmpty(1).Max(),
            prefills.Select(p => MaxTokens / BlockSize + p.Prompts).DefaultIfEmpty(1).Max()) + 1;
        KvCache cache = cuda.CreateKvCache(model.KvCacheShape(BlockSize, blocks, DType.BF16));
        FillCache(cuda, model, cache);
        Console.WriteLine($"{{\"model\":\"{arguments[0]}\",\"load_s\":{load.Elapsed.TotalSeconds:F1},\"weights_gb\":{model.WeightBytes / 1e9:F2},\"device\":\"{cuda.Device.Description}\"}}");
        foreach ((int batch, int context) in decodes)
        {
            Decode(cuda, model, cache, batch, context);
        }

        foreach ((int prompts, int length) in prefills)
        {
            Prefill(cuda, model, cache, prompts, length, MaxTokens);
        }

        return 0;
    }

    /// <summary>Random keys and values: block 1 is computed by the model from random tokens and copied over all others.</summary>
    private static unsafe void FillCache(CudaBackend cuda, DecoderModel model, KvCache cache)
    {
        ForwardContext context = Context(cuda, cache, [(BlockSize, BlockSize)], [[1]], model.Spec.VocabularySize);
        model.RunLayers(context);
        int count = cache.Shape.Blocks - 2;
        if (count <= 0)
        {
            return;
        }

        var pairs = new int[2 * count];
        for (int i = 0; i < count; i++)
        {
            (pairs[2 * i], pairs[2 * i + 1]) = (1, i + 2);
        }

        fixed (int* data = pairs)
        {
            cuda.Ops.CopyBlocks(cache, new Tensor((nint)data, DType.I32, count, 2));
        }

        cuda.Synchronize();
    }

    private static void Decode(CudaBackend cuda, DecoderModel model, KvCache cache, int batch, int context)
    {
        int perSequence = (context + BlockSize - 1) / BlockSize;
        int[] free = Enumerable.Range(1, batch * perSequence).ToArray();
        new Random(1).Shuffle(free);
        int[][] tables = Enumerable.Range(0, batch).Select(i => free[(i * perSequence)..((i + 1) * perSequence)]).ToArray();
        ForwardContext forward = Context(cuda, cache, Enumerable.Repeat((1, context), batch).ToArray(), tables, model.Spec.VocabularySize);
        Tensor tokens = cuda.Allocate(DType.I32, 1, batch);
        long key = ((long)batch << 32) | (uint)context;
        void Step()
        {
            if (cuda.Graphs!.TryReplay(key))
            {
                return;
            }

            cuda.Graphs.Begin(key);
            Tensor logits = model.Forward(forward);
            cuda.Sampler!.Sample(logits, 0, tokens);
            cuda.Graphs.End(key);
        }

        Tune(cuda, model, forward);
        double milliseconds = Median(cuda, Step, batch * context > 100_000 ? 20 : 50);
        SelfAttentionSpec attention = model.Spec.Attention;
        double bytes = model.WeightBytes - (model.Spec.TiedEmbeddings ? 0 : (double)model.Spec.VocabularySize * model.Spec.HiddenSize * 2)
            + 4.0 * attention.KvHeads * attention.HeadDim * batch * context * model.Spec.Layers.Count;
        Console.WriteLine($"{{\"decode\":\"{batch}x{context}\",\"step_ms\":{milliseconds:F3},\"tok_s\":{batch / milliseconds * 1e3:F0},\"gb_s\":{bytes / milliseconds / 1e6:F0}}}");
    }

    private static void Prefill(CudaBackend cuda, DecoderModel model, KvCache cache, int prompts, int length, int maxTokens)
    {
        int perStep = Math.Min(prompts, Math.Max(1, maxTokens / length));
        int perSequence = (length + BlockSize - 1) / BlockSize;
        int[][] tables = Enumerable.Range(0, perStep).Select(i => Enumerable.Range(1 + i * perSequence, perSequence).ToArray()).ToArray();
        ForwardContext forward = Context(cuda, cache, Enumerable.Repeat((length, length), perStep).ToArray(), tables, model.Spec.VocabularySize);
        Tensor tokens = cuda.Allocate(DType.I32, 1, perStep);
        Tune(cuda, model, forward);
        double milliseconds = Median(cuda, () =>
        {
            for (int done = 0; done < prompts; done += perStep)
            {
                Tensor logits = model.Forward(forward);
                cuda.Sampler!.Sample(logits, 0, tokens);
            }
        }, prompts * length > 10_000 ? 3 : 20);
        double flops = 2.0 * prompts * length * (model.WeightBytes / 2.0 - (double)model.Spec.VocabularySize * model.Spec.HiddenSize * (model.Spec.TiedEmbeddings ? 1 : 2))
            + 2.0 * prompts * model.Spec.Layers.Count * length * length * model.Spec.Attention.Heads * model.Spec.Attention.HeadDim;
        Console.WriteLine($"{{\"prefill\":\"{prompts}x{length}\",\"ms\":{milliseconds:F2},\"tok_s\":{prompts * length / milliseconds * 1e3:F0},\"tflops\":{flops / milliseconds / 1e9:F0}}}");
    }

    /// <summary>Lets the backend time its algorithms for the shapes of this step, as the engine does when it starts.</summary>
    private static void Tune(CudaBackend cuda, DecoderModel model, ForwardContext forward)
    {
        cuda.IsTuning = true;
        model.Forward(forward);
        cuda.IsTuning = false;
    }

    /// <summary>Milliseconds of one call: the median of five groups of calls, each waited for at its end.</summary>
    private static double Median(CudaBackend cuda, Action step, int count)
    {
        for (int i = 0; i < 3; i++)
        {
            step();
        }

        cuda.Synchronize();
        var times = new double[5];
        for (int group = 0; group < times.Length; group++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++)
            {
                step();
            }

            cuda.Synchronize();
            times[group] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / count;
        }

        Array.Sort(times);
        return times[2];
    }

    private static ForwardContext Context(CudaBackend cuda, KvCache cache, (int Queries, int Context)[] sequences, int[][] tables, int vocabulary)
    {
        var random = new Random(7);
        int tokens = sequences.Sum(s => s.Queries);
        int width = tables.Max(t => t.Length);
        int count = 4 * tokens + 3 * sequences.Length + 1 + sequences.Length * width + 8 * 16;
        StagingBuffer staging = cuda.AllocateStaging(count * sizeof(int));
        Span<int> host = MemoryMarshal.Cast<byte, int>(staging.Host);
        int used = 0;
        Tensor Add(Span<int> target, int rows, int[] values)
        {
            values.CopyTo(target[used..]);
            var tensor = new Tensor(staging.DeviceAddress + used * sizeof(int), DType.I32, rows, values.Length / rows);
            used += (values.Length + 15) / 16 * 16;
            return tensor;
        }

        var ids = new int[tokens];
        var positions = new int[tokens];
        var slots = new int[tokens];
        var starts = new int[sequences.Length + 1];
        var last = new int[sequences.Length];
        int token = 0;
        for (int s = 0; s < sequences.Length; s++)
        {
            (int queries, int context) = sequences[s];
            for (int i = 0; i < queries; i++, token++)
            {
                int position = context - queries + i;
                ids[token] = random.Next(vocabulary);
                positions[token] = position;
                slots[token] = tables[s][position / BlockSize] * BlockSize + position % BlockSize;
            }

            starts[s + 1] = token;
            last[s] = token - 1;
        }

        var forward = new ForwardContext
        {
            KvCache = cache,
            TokenIds = Add(host, 1, ids),
            Positions = Add(host, 1, positions),
            Slots = Add(host, 1, slots),
            LogitRows = Add(host, 1, last),
        };
        forward.Attention = new AttentionBatch
        {
            Sequences = sequences.Length,
            QueryStarts = Add(host, 1, starts),
            ContextLengths = Add(host, 1, sequences.Select(s => s.Context).ToArray()),
            BlockTables = Add(host, sequences.Length, tables.SelectMany(t => t.Concat(new int[width - t.Length])).ToArray()),
            MaxQueryLength = sequences.Max(s => s.Queries),
            MaxContextLength = sequences.Max(s => s.Context),
        };
        staging.Flush(used * sizeof(int));
        return forward;
    }
}
