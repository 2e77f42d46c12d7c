using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Quire.Core.Foundation;
using Quire.Core.KvCache;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>
/// One step as data. Plans are pooled: a plan and its spans are valid until the second call of <see cref="Scheduler.Plan"/> after the one that gave it.
/// <para>
/// Who runs a plan must, in this order: make the <see cref="Copies"/>; then, in every layer, store the keys and values of all rows before any
/// row attends, because a row may read blocks that another row of the same step fills (a shared prefix). Plans run in the order they were made.
/// A plan is run whole, with the tokens it was made with, also when one of its requests is aborted meanwhile: full blocks count as cached from the moment
/// they are planned. When a step fails on the device, its blocks do not hold what they promise: end its requests and reset the prefix cache.
/// </para>
/// </summary>
public sealed class StepPlan
{
    private readonly List<ScheduledRow> _rows = [];
    private readonly List<RowOutcome> _outcomes = [];
    private readonly List<RequestState> _preempted = [];
    private readonly List<BlockCopy> _copies = [];

    internal StepPlan()
    {
    }

    /// <summary>1 for the first plan of a scheduler, then one more each.</summary>
    public long StepNumber { get; private set; }

    /// <summary>Running requests first, in the order of their admission, then those that came from the queues.</summary>
    public ReadOnlySpan<ScheduledRow> Rows => CollectionsMarshal.AsSpan(_rows);

    /// <summary>Sum of the rows' tokens.</summary>
    public int TotalTokens { get; private set; }

    /// <summary>Rows that sample.</summary>
    public int SamplingRows { get; private set; }

    /// <summary>
    /// Requests that lost their blocks while this plan was made, in that order. Each comes back in a row of its own, as resumed: in a later plan, or in this
    /// one when it was the only thing left to do.
    /// </summary>
    public ReadOnlySpan<RequestState> Preempted => CollectionsMarshal.AsSpan(_preempted);

    /// <summary>Block copies to make before the rows are computed.</summary>
    public ReadOnlySpan<BlockCopy> Copies => CollectionsMarshal.AsSpan(_copies);

    /// <summary>One entry per row, after <see cref="Scheduler.Commit"/>; empty before.</summary>
    public ReadOnlySpan<RowOutcome> Outcomes => CollectionsMarshal.AsSpan(_outcomes);

    /// <summary>
    /// A stable 64-bit value of everything the plan decides: equal plans have equal values in every run, process and machine.
    /// </summary>
    public ulong Fingerprint()
    {
        Fingerprint mix = default;
        mix.Add(StepNumber);
        mix.Add(_rows.Count);
        foreach (ref readonly ScheduledRow row in Rows)
        {
            mix.Add(row.Request.Id.Value);
            mix.Add(row.FirstPosition);
            mix.Add(row.TokenCount);
            mix.Add(row.Samples);
            mix.Add((long)row.Kind);
            mix.Add(row.InputPending);
            mix.Add(row.DraftCount);
            mix.Add(row.BlockCount);
            mix.Add(row.LastBlocks);
        }

        mix.Add(_preempted.Count);
        foreach (RequestState request in Preempted)
            mix.Add(request.Id.Value);
        mix.Add(_copies.Count);
        foreach (BlockCopy copy in Copies)
        {
            mix.Add(copy.Source);
            mix.Add(copy.Destination);
        }

        return mix.Value;
    }

    /// <summary>
    /// One line for golden files: <c>step 3: 1 run 12+1* | 4 new 0+9</c>: request, kind, first position + tokens, * where it samples, ? where its input is
    /// still unknown; then preempted requests and copies.
    /// </summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"step {StepNumber}:");
        for (int i = 0; i < _rows.Count; i++)
        {
            ScheduledRow row = _rows[i];
            string kind = row.Kind switch { RowKind.New => "new", RowKind.Resumed => "resumed", _ => "run" };
            text.Append(i == 0 ? " " : " | ")
                .Append(CultureInfo.InvariantCulture, $"{row.Request.Id} {kind} {row.FirstPosition}+{row.TokenCount}");
            if (row.DraftCount > 0)
                text.Append(CultureInfo.InvariantCulture, $" drafts {row.DraftCount}");
            if (row.InputPending)
                text.Append('?');
            if (row.Samples)
                text.Append('*');
        }

        foreach (RequestState request in _preempted)
            text.Append(CultureInfo.InvariantCulture, $" | {request.Id} preempted");
        foreach (BlockCopy copy in _copies)
            text.Append(CultureInfo.InvariantCulture, $" | copy {copy.Source} to {copy.Destination}");
        return text.ToString();
    }

    internal void Begin()
    {
        _rows.Clear();
        _outcomes.Clear();
        _preempted.Clear();
        _copies.Clear();
        StepNumber = 0;
        TotalTokens = 0;
        SamplingRows = 0;
    }

    internal void Add(in ScheduledRow row) => _rows.Add(row);

    internal void Add(RequestState preempted) => _preempted.Add(preempted);

    internal void Add(BlockCopy copy) => _copies.Add(copy);

    internal void Add(RowOutcome outcome) => _outcomes.Add(outcome);

    /// <summary>Takes the row of a request out again; returns its tokens, or 0 when it has none.</summary>
    internal int Remove(RequestState request)
    {
        ReadOnlySpan<ScheduledRow> rows = Rows;
        for (int i = 0; i < rows.Length; i++)
        {
            if (!ReferenceEquals(rows[i].Request, request))
                continue;
            int tokens = rows[i].TokenCount;
            _rows.RemoveAt(i);
            return tokens;
        }

        return 0;
    }

    internal void End(long stepNumber)
    {
        StepNumber = stepNumber;
        foreach (ref readonly ScheduledRow row in Rows)
        {
            TotalTokens += row.TokenCount;
            if (row.Samples)
                SamplingRows++;
        }
    }
}
