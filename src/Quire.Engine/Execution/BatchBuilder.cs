using System;
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
    private readonly StagingBuffer _staging;
    private readonly int _blockSize;
    private readonly Region _tokenIds;
    private readonly Region _positions;
    private readonly Region _slots;
    private readonly Region _queryStarts;
    private readonly Region _contextLengths;
    private readonly Region _sampleRows;
    private readonly Region _promptRows;
    private readonly Region _blockTables;
    private readonly int _stagingBytes;

    /// <param name="backend">Whose staging memory is used.</param>
    /// <param name="cache">The KV cache that the block ids refer to.</param>
    /// <param name="maxTokens">Most tokens in a step.</param>
    /// <param name="maxSequences">Most rows of a plan.</param>
    /// <param name="maxBlocksPerSequence">Blocks of a sequence of the greatest length.</param>
    public BatchBuilder(IBackend backend, KvCache cache, int maxTokens, int maxSequences, int maxBlocksPerSequence)
    {
        _blockSize = cache.Shape.BlockSize;
        int offset = 0;
        _tokenIds = Reserve(ref offset, maxTokens);
        _positions = Reserve(ref offset, maxTokens);
        _slots = Reserve(ref offset, maxTokens);
        _queryStarts = Reserve(ref offset, maxSequences + 1);
        _contextLengths = Reserve(ref offset, maxSequences);
        _sampleRows = Reserve(ref offset, maxSequences);
        _promptRows = Reserve(ref offset, maxTokens);
        _blockTables = Reserve(ref offset, checked(maxSequences * maxBlocksPerSequence));
        _stagingBytes = offset * sizeof(int);
        _staging = backend.AllocateStaging(_stagingBytes);
        Context = new ForwardContext { KvCache = cache };
    }

    public ForwardContext Context { get; }

    /// <summary>Rows of the plan that sample, and so entries of <see cref="SampleRows"/>.</summary>
    public int SampleCount { get; private set; }

    /// <summary>Prompt positions whose successors are scored, and so entries of <see cref="PromptRows"/>.</summary>
    public int PromptRowCount { get; private set; }

    /// <summary>[1, <paramref name="count"/>] I32: hidden rows of the sampling rows from <paramref name="start"/> on, in plan order.</summary>
    public Tensor SampleRows(int start, int count) => Device(_sampleRows, start + count).ColumnRange(start, count);

    /// <summary>[1, <paramref name="count"/>] I32: hidden rows of the prompt positions to score from <paramref name="start"/> on.</summary>
    public Tensor PromptRows(int start, int count) => Device(_promptRows, start + count).ColumnRange(start, count);

    public void Build(StepPlan plan)
    {
        ReadOnlySpan<ScheduledRow> rows = plan.Rows;
        Span<int> host = MemoryMarshal.Cast<byte, int>(_staging.Host);
        int tableStride = LongestBlockTable(rows);
        int token = 0;
        int maxContext = 0;
        int maxQuery = 0;
        SampleCount = 0;
        PromptRowCount = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly ScheduledRow row = ref rows[i];
            host[_queryStarts.Start + i] = token;
            int context = row.FirstPosition + row.TokenCount;
            host[_contextLengths.Start + i] = context;
            maxContext = Math.Max(maxContext, context);
            maxQuery = Math.Max(maxQuery, row.TokenCount);
            AddTokens(host, row, token);
            AddBlocks(host, row.Request, context, i * tableStride);
            AddScoredPositions(host, row, token);
            token += row.TokenCount;
            if (row.Samples)
            {
                host[_sampleRows.Start + SampleCount++] = token - 1;
            }
        }

        host[_queryStarts.Start + rows.Length] = token;
        _staging.Flush(_stagingBytes);
        FillContext(rows.Length, token, tableStride, maxQuery, maxContext);
    }

    private void AddTokens(Span<int> host, in ScheduledRow row, int token)
    {
        row.Request.Tokens.Slice(row.FirstPosition, row.TokenCount).CopyTo(host[(_tokenIds.Start + token)..]);
        ReadOnlySpan<int> blocks = row.Request.BlockTable;
        for (int i = 0; i < row.TokenCount; i++)
        {
            int position = row.FirstPosition + i;
            host[_positions.Start + token + i] = position;
            host[_slots.Start + token + i] = blocks[position / _blockSize] * _blockSize + position % _blockSize;
        }
    }

    private void AddBlocks(Span<int> host, RequestState request, int context, int offset)
    {
        int used = (context + _blockSize - 1) / _blockSize;
        request.BlockTable[..used].CopyTo(host[(_blockTables.Start + offset)..]);
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
        Context.Slots = Device(_slots, tokens);
        Context.Attention = new AttentionBatch
        {
            Sequences = sequences,
            QueryStarts = Device(_queryStarts, sequences + 1),
            ContextLengths = Device(_contextLengths, sequences),
            BlockTables = new Tensor(Address(_blockTables), DType.I32, sequences, tableStride),
            MaxQueryLength = maxQuery,
            MaxContextLength = maxContext,
        };
    }

    private static int LongestBlockTable(ReadOnlySpan<ScheduledRow> rows)
    {
        int longest = 1;
        foreach (ref readonly ScheduledRow row in rows)
        {
            longest = Math.Max(longest, row.Request.BlockTable.Length);
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
