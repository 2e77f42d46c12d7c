using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using Quire.Models;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>Some sequences on one backend, in shuffled blocks; the caller says which tokens follow.</summary>
internal sealed class TeacherForcedRun
{
    private const int BlockSize = 16;
    private readonly IBackend _backend;
    private readonly DecoderModel _model;
    private readonly KvCache _cache;
    private readonly List<int>[] _tokens;
    private readonly int[] _done;
    private readonly int[][] _tables;
    private readonly StagingBuffer _staging;

    public TeacherForcedRun(IBackend backend, DecoderModel model, int[][] prompts)
    {
        _backend = backend;
        _model = model;
        _tokens = prompts.Select(p => p.ToList()).ToArray();
        _done = new int[prompts.Length];
        int per = 512 / BlockSize;
        _cache = backend.CreateKvCache(model.KvCacheShape(BlockSize, prompts.Length * per + 1, backend.ActivationType));
        int[] free = Enumerable.Range(1, prompts.Length * per).ToArray();
        new Random(5).Shuffle(free);
        _tables = Enumerable.Range(0, prompts.Length).Select(i => free[(i * per)..((i + 1) * per)]).ToArray();
        _staging = backend.AllocateStaging(1 << 20);
    }

    public void Accept(int sequence, int token) => _tokens[sequence].Add(token);

    /// <summary>Computes the next part of every sequence: half of the prompt in step 0, then all that is there.</summary>
    public float[][] Step(int step)
    {
        var queries = _tokens.Select((t, s) => step == 0 && t.Count > 1 ? t.Count / 2 : t.Count - _done[s]).ToArray();
        if (step == 0)
        {
            Compute(queries);
            queries = _tokens.Select((t, s) => t.Count - _done[s]).ToArray();
            if (queries.Any(q => q == 0))
            {
                // A prompt of one token is complete already: its last token is computed again.
                for (int s = 0; s < queries.Length; s++)
                {
                    _done[s] -= queries[s] == 0 ? 1 : 0;
                    queries[s] = Math.Max(queries[s], 1);
                }
            }
        }

        return Compute(queries);
    }

    private float[][] Compute(int[] queries)
    {
        Span<int> host = MemoryMarshal.Cast<byte, int>(_staging.Host);
        int used = 0;
        Tensor Add(Span<int> target, int rows, IEnumerable<int> values)
        {
            int start = used;
            foreach (int value in values)
            {
                target[used++] = value;
            }

            var tensor = new Tensor(_staging.DeviceAddress + start * sizeof(int), DType.I32, rows, (used - start) / rows);
            used = (used + 15) / 16 * 16;
            return tensor;
        }

        int[] contexts = queries.Select((q, s) => _done[s] + q).ToArray();
        int[] starts = new int[queries.Length + 1];
        for (int s = 0; s < queries.Length; s++)
        {
            starts[s + 1] = starts[s] + queries[s];
        }

        IEnumerable<(int Sequence, int Position)> tokens = queries.SelectMany((q, s) => Enumerable.Range(_done[s], q).Select(p => (s, p)));
        var context = new ForwardContext
        {
            KvCache = _cache,
            TokenIds = Add(host, 1, tokens.Select(t => _tokens[t.Sequence][t.Position])),
            Positions = Add(host, 1, tokens.Select(t => t.Position)),
            Slots = Add(host, 1, tokens.Select(t => _tables[t.Sequence][t.Position / BlockSize] * BlockSize + t.Position % BlockSize)),
            LogitRows = Add(host, 1, starts.Skip(1).Select(s => s - 1)),
            Attention = new AttentionBatch
            {
                Sequences = queries.Length,
                QueryStarts = Add(host, 1, starts),
                ContextLengths = Add(host, 1, contexts),
                BlockTables = Add(host, queries.Length, _tables.SelectMany(t => t)),
                MaxQueryLength = queries.Max(),
                MaxContextLength = contexts.Max(),
            },
        };
        _staging.Flush(used * sizeof(int));
        Tensor logits = _model.Forward(context);
        for (int s = 0; s < queries.Length; s++)
        {
            _done[s] += queries[s];
        }

        return Enumerable.Range(0, queries.Length).Select(s => _backend.MapLogits(logits, s).ToArray()).ToArray();
    }
}
