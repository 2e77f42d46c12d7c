using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Quire.Core.Requests;
using Quire.Core.Scheduling;
using Quire.Models;
using Quire.Tensors;

namespace Quire.Engine.Execution;

/// <summary>
/// Turns a <see cref="StepPlan"/> into the integer tensors of a <see cref="ForwardContext"/>, in one staging buffer that is allocated
/// once for the largest step.
/// </summary>
internal sealed class BatchBuilder
{
    /// <summary>Blocks a sequence in the narrowest table of a recorded step.</summary>
    private const int NarrowestTable = 64;

    private readonly StagingBuffer _staging;
    private readonly int _blockSize;
    private readonly Region _tokenIds;
    private readonly Region _positions;
    private readonly Region[] _slots;
    private readonly Region _queryStarts;
    private readonly Region _contextLengths;
    private readonly Region _sampleRows;
    private readonly Region _promptRows;
    private readonly Region _sampling;
    private readonly Region _blockTables;
    private readonly int _maxSequences;
    private readonly int _maxBlocksPerSequence;

    /// <param name="backend">Whose staging memory is used.</param>
    /// <param name="context">What is filled in: it has the KV cache that the block ids refer to, and its groups of layers.</param>
    /// <param name="maxTokens">Most tokens in a step.</param>
    /// <param name="maxSequences">Most rows of a plan.</param>
    /// <param name="maxBlocksPerSequence">Blocks of a sequence of the greatest length.</param>
    public BatchBuilder(IBackend backend, ForwardContext context, int maxTokens, int maxSequences, int maxBlocksPerSequence)
    {
        Context = context;
        _blockSize = context.KvCache.Shape.BlockSize;
        _slots = new Region[context.GroupCount];
        int offset = 0;
        _tokenIds = Reserve(ref offset, maxTokens);
        _positions = Reserve(ref offset, maxTokens);
        for (int group = 0; group < _slots.Length; group++)
        {
            _slots[group] = Reserve(ref offset, maxTokens);
        }

        _queryStarts = Reserve(ref offset, maxSequences + 1);
        _contextLengths = Reserve(ref offset, maxSequences);
        _sampleRows = Reserve(ref offset, maxSequences);
        _promptRows = Reserve(ref offset, maxTokens);
        _sampling = Reserve(ref offset, maxSequences * (Unsafe.SizeOf<RowSampling>() / sizeof(int)));

        // Last, because only as much of it is brought to the device as a step uses: the tables of each group, one group behind the other.
        _blockTables = Reserve(ref offset, checked(_slots.Length * maxSequences * maxBlocksPerSequence));
        _maxSequences = maxSequences;
        _maxBlocksPerSequence = maxBlocksPerSequence;
        _staging = backend.AllocateStaging(checked(offset * sizeof(int)));
    }

    public ForwardContext Context { get; }

    /// <summary>Rows of the plan that sample, and so entries of <see cref="SampleRows"/>.</summary>
    public int SampleCount { get; private set; }

    /// <summary>Prompt positions whose successors are scored, and so entries of <see cref="PromptRows"/>.</summary>
    public int PromptRowCount { get; private set; }

    /// <summary>True when a token of the step is one that a step in flight chooses; its id stands for the place where the device has it.</summary>
    public bool HasPendingInputs { get; private set; }

    /// <summary>True when every row that samples takes its best token.</summary>
    public bool AllGreedy { get; private set; }

    /// <summary>Device address of a <see cref="RowSampling"/> for each row that samples, in plan order.</summary>
    public nint SamplingAddress => Address(_sampling);

    /// <summary>[1, <paramref name="count"/>] I32: hidden rows of the sampling rows from <paramref name="start"/> on, in plan order.</summary>
    public Tensor SampleRows(int start, int count) => Device(_sampleRows, start + count).ColumnRange(start, count);

    /// <summary>[1, <paramref name="count"/>] I32: hidden rows of the prompt positions to score from <paramref name="start"/> on.</summary>
    public Tensor PromptRows(int start, int count) => Device(_promptRows, start + count).ColumnRange(start, count);

    /// <param name="plan">The step.</param>
    /// <param name="padded">
    /// True for a step of single tokens that is recorded: rows are added that compute nothing, and block tables made wider, so that few
    /// recordings serve all sizes.
    /// </param>
    public void Build(StepPlan plan, bool padded = false)
    {
        ReadOnlySpan<ScheduledRow> rows = plan.Rows;
        Span<int> host = MemoryMarshal.Cast<byte, int>(_staging.Host);
        Span<RowSampling> sampling = MemoryMarshal.Cast<int, RowSampling>(host[_sampling.Start.._blockTables.Start]);
        int tableStride = LongestBlockTable(rows);
        int total = rows.Length;
        if (padded)
        {
            tableStride = Math.Min(Math.Max((int)BitOperations.RoundUpToPowerOf2((uint)tableStride), NarrowestTable), _maxBlocksPerSequence);
            total = PaddedRows(rows.Length, _maxSequences);
        }

        int token = 0;
        int maxContext = padded ? tableStride * _blockSize : 0;
        int maxQuery = 0;
        SampleCount = 0;
        PromptRowCount = 0;
        HasPendingInputs = false;
        AllGreedy = true;
        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly ScheduledRow row = ref rows[i];
            host[_queryStarts.Start + i] = token;
            int context = row.FirstPosition + row.TokenCount;
            host[_contextLengths.Start + i] = context;
            maxContext = Math.Max(maxContext, context);
            maxQuery = Math.Max(maxQuery, row.TokenCount);
            AddTokens(host, row, token);
            AddBlocks(host, row.Request, context, i * tableStride, total * tableStride);
            AddScoredPositions(host, row, token);
            token += row.TokenCount;
            if (row.Samples)
            {
                AddSample(host, sampling, row, token - 1);
            }
        }

        for (int i = rows.Length; i < total; i++)
        {
            AddPadding(host, sampling, i, token++);
        }

        host[_queryStarts.Start + total] = token;
        _staging.Flush((_blockTables.Start + _slots.Length * total * tableStride) * sizeof(int));
        FillContext(total, token, tableStride, maxQuery, maxContext);
    }

    /// <summary>A step of tokens that belong to no sequence: it computes, and changes nothing.</summary>
    public void BuildEmpty(int tokens)
    {
        Span<int> host = MemoryMarshal.Cast<byte, int>(_staging.Host);
        host.Slice(_tokenIds.Start, tokens).Fill(-1);
        host.Slice(_positions.Start, tokens).Clear();
        foreach (Region slots in _slots)
        {
            host.Slice(slots.Start, tokens).Fill(-1);
        }

        host.Slice(_sampleRows.Start, Math.Min(tokens, _maxSequences)).Clear();
        host.Slice(_queryStarts.Start, 2).Clear();
        host[_contextLengths.Start] = 0;
        host.Slice(_blockTables.Start, _slots.Length).Clear();
        _staging.Flush((_blockTables.Start + _slots.Length) * sizeof(int));
        FillContext(1, tokens, 1, 1, 1);
    }

    /// <summary>The recorded size that a number of rows is computed with: powers of two, then multiples of 8, then of 16.</summary>
    internal static int PaddedRows(int rows, int maxSequences)
    {
        int padded = rows <= 8 ? (int)BitOperations.RoundUpToPowerOf2((uint)rows) : rows <= 256 ? (rows + 7) / 8 * 8 : (rows + 15) / 16 * 16;
        return Math.Min(padded, maxSequences);
    }

    private void AddTokens(Span<int> host, in ScheduledRow row, int token)
    {
        ReadOnlySpan<int> known = row.Request.Tokens;
        for (int i = 0; i < row.TokenCount; i++)
        {
            int position = row.FirstPosition + i;
            bool isPending = position >= known.Length;
            HasPendingInputs |= isPending;
            host[_tokenIds.Start + token + i] = isPending ? -2 - ((Sequence)row.Request.Attachment!).SampleIndex : known[position];
            host[_positions.Start + token + i] = position;
        }

        for (int group = 0; group < _slots.Length; group++)
        {
            ReadOnlySpan<int> blocks = row.Request.BlockTable(group);
            Span<int> slots = host.Slice(_slots[group].Start + token, row.TokenCount);
            for (int i = 0; i < slots.Length; i++)
            {
                int position = row.FirstPosition + i;
                slots[i] = blocks[position / _blockSize] * _blockSize + position % _blockSize;
            }
        }
    }

    private void AddSample(Span<int> host, Span<RowSampling> sampling, in ScheduledRow row, int hiddenRow)
    {
        var sequence = (Sequence)row.Request.Attachment!;
        sampling[SampleCount] = sequence.Sampler.ForDevice(row.InputPending ? 1 : 0);
        AllGreedy &= sequence.Sampler.Settings.IsGreedy;
        sequence.SampleIndex = SampleCount;
        host[_sampleRows.Start + SampleCount++] = hiddenRow;
    }

    /// <summary>A row that reads no token, stores nothing and attends to nothing.</summary>
    private void AddPadding(Span<int> host, Span<RowSampling> sampling, int row, int token)
    {
        host[_queryStarts.Start + row] = token;
        host[_contextLengths.Start + row] = 0;
        host[_tokenIds.Start + token] = -1;
        host[_positions.Start + token] = 0;
        foreach (Region slots in _slots)
        {
            host[slots.Start + token] = -1;
        }

        host[_sampleRows.Start + row] = token;
        sampling[row] = default;
    }

    private void AddBlocks(Span<int> host, RequestState request, int context, int offset, int perGroup)
    {
        int used = (context + _blockSize - 1) / _blockSize;
        for (int group = 0; group < _slots.Length; group++)
        {
            request.BlockTable(group)[..used].CopyTo(host[(_blockTables.Start + group * perGroup + offset)..]);
        }
    }

    /// <summary>Notes the rows whose logits score the prompt, when that was asked for.</summary>
    private void AddScoredPositions(Span<int> host, in ScheduledRow row, int token)
    {
        if (((Sequence)row.Request.Attachment!).PromptLogprobs is not { IsComplete: false })
        {
            return;
        }

        int scored = PromptLogprobCollector.ScoredTokens(row);
        for (int i = 0; i < scored; i++)
        {
            host[_promptRows.Start + PromptRowCount++] = token + i;
        }
    }

    private void FillContext(int sequences, int tokens, int tableStride, int maxQuery, int maxContext)
    {
        Context.TokenIds = Device(_tokenIds, tokens);
        Context.Positions = Device(_positions, tokens);
        for (int group = 0; group < _slots.Length; group++)
        {
            ref KvGroupBatch batch = ref Context.Group(group);
            batch.Slots = Device(_slots[group], tokens);
            batch.Attention = new AttentionBatch
            {
                Sequences = sequences,
                QueryStarts = Device(_queryStarts, sequences + 1),
                ContextLengths = Device(_contextLengths, sequences),
                BlockTables = new Tensor(Address(_blockTables) + group * sequences * tableStride * sizeof(int), DType.I32, sequences, tableStride),
                MaxQueryLength = maxQuery,
                MaxContextLength = maxContext,
            };
        }
    }

    private static int LongestBlockTable(ReadOnlySpan<ScheduledRow> rows)
    {
        int longest = 1;
        foreach (ref readonly ScheduledRow row in rows)
        {
            longest = Math.Max(longest, row.Request.BlockTable(0).Length);
        }

        return longest;
    }

    private Tensor Device(Region region, int count) => new(Address(region), DType.I32, 1, count);

    private nint Address(Region region) => _staging.DeviceAddress + region.Start * sizeof(int);

    /// <summary>Sixteen integers are a cache line: no two regions share one.</summary>
    private static Region Reserve(ref int offset, int count)
    {
        var region = new Region(offset);
        offset = checked(offset + (count + 15) / 16 * 16);
        return region;
    }

    /// <summary>A part of the staging buffer; the start is counted in integers.</summary>
    private readonly record struct Region(int Start);
}
