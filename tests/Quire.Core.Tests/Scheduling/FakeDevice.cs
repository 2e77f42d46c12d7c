using System;
using System.Collections.Generic;
using Quire.Core.KvCache;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

/// <summary>
/// A model without weights that notices every mistake in the use of the cache. The "keys and values" of a position are a hash of all tokens up to it (and of
/// the adapter); a row reads the whole sequence back through its block table and fails when a slot holds anything else. The next token is a function
/// of the last hash, so it depends on every token before it, and on nothing else.
/// </summary>
internal sealed class FakeDevice
{
    private readonly int _blockSize;
    private readonly int _vocabulary;
    private readonly ulong[] _slots;
    private readonly KvCacheGroups _groups;

    /// <param name="geometry">Blocks and their size.</param>
    /// <param name="vocabulary">Token ids are below it.</param>
    /// <param name="groups">In each, a row reads back the positions of the window, its own included; without a window the whole sequence.</param>
    public FakeDevice(KvGeometry geometry, int vocabulary, KvCacheGroups? groups = null)
    {
        _groups = groups ?? KvCacheGroups.Full;
        _blockSize = geometry.BlockSize;
        _vocabulary = vocabulary;
        _slots = new ulong[geometry.BlockCount * geometry.BlockSize];
    }

    /// <summary>A plan with what a real device would have been given when it was made.</summary>
    public sealed record Launch(StepPlan Plan, IReadOnlyList<int[][]> BlockTables, IReadOnlyList<int[]> Drafts);

    public static Launch Record(StepPlan plan)
    {
        var tables = new List<int[][]>();
        var drafts = new List<int[]>();
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            int[][] ofGroups = new int[row.Request.Blocks.Tables.Length][];
            for (int group = 0; group < ofGroups.Length; group++)
                ofGroups[group] = row.Request.BlockTable(group).ToArray();
            tables.Add(ofGroups);
            drafts.Add(row.Request.Drafts[..row.DraftCount].ToArray());
        }

        return new Launch(plan, tables, drafts);
    }

    /// <summary>Runs a step: copies, then all stores, then all reads; gives the sampled tokens and their counts.</summary>
    public (int[] Tokens, int[] Counts) Run(Launch launch)
    {
        foreach (BlockCopy copy in launch.Plan.Copies)
            Array.Copy(_slots, copy.Source * _blockSize, _slots, copy.Destination * _blockSize, _blockSize);
        ReadOnlySpan<ScheduledRow> rows = launch.Plan.Rows;
        for (int i = 0; i < rows.Length; i++)
            Store(rows[i], launch.BlockTables[i], launch.Drafts[i]);

        var tokens = new List<int>();
        int[] counts = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            if (rows[i].Request.Status == RequestStatus.Finished)
            {
                // A real device computes it all the same; nobody looks at the token.
                counts[i] = rows[i].Samples ? 1 : 0;
                tokens.AddRange(rows[i].Samples ? [_vocabulary - 1] : []);
                continue;
            }

            counts[i] = Sample(rows[i], launch.BlockTables[i], launch.Drafts[i], tokens);
        }

        return ([.. tokens], counts);
    }

    /// <summary>What the model says after a sequence; for expectations and for drafts.</summary>
    public int NextToken(ReadOnlySpan<int> sequence, string? adapter)
    {
        ulong hash = Start(adapter);
        foreach (int token in sequence)
            hash = Mix(hash, token);
        return TokenOf(hash);
    }

    private void Store(in ScheduledRow row, int[][] tables, int[] drafts)
    {
        // The last token of a request that has finished may never be known; the device writes something all the same.
        bool finished = row.Request.Status == RequestStatus.Finished;
        ulong hash = Start(row.Request.Spec.LoraName);
        for (int position = 0; position < row.FirstPosition + row.TokenCount; position++)
        {
            bool unknown = finished && position >= row.Request.TokenCount;
            hash = unknown ? Mix(hash, -position) : Mix(hash, TokenAt(row, drafts, position));
            if (position < row.FirstPosition)
                continue;
            for (int group = 0; group < tables.Length; group++)
                _slots[(tables[group][position / _blockSize] * _blockSize) + (position % _blockSize)] = hash + (ulong)group;
        }
    }

    private int Sample(in ScheduledRow row, int[][] tables, int[] drafts, List<int> tokens)
    {
        ulong hash = Start(row.Request.Spec.LoraName);
        int end = row.FirstPosition + row.TokenCount;
        int accepted = 0;
        for (int position = 0; position < end; position++)
        {
            hash = Mix(hash, TokenAt(row, drafts, position));
            for (int group = 0; group < tables.Length; group++)
            {
                int block = tables[group][position / _blockSize];
                bool visible = position > row.FirstPosition - (_groups.Windows[group] ?? int.MaxValue);
                ulong stored = _slots[(block * _blockSize) + (position % _blockSize)];
                if (visible && (stored != hash + (ulong)group || block == 0))
                    throw new InvalidOperationException($"request {row.Request.Id} reads other keys and values at position {position} of group {group} than its own");
            }

            int judged = position - (end - row.DraftCount - 1);
            if (!row.Samples || judged < 0)
                continue;
            tokens.Add(TokenOf(hash));
            accepted++;
            if (judged == row.DraftCount || drafts[judged] != TokenOf(hash))
                break;
        }

        return accepted;
    }

    private static int TokenAt(in ScheduledRow row, int[] drafts, int position)
    {
        int firstDraft = row.FirstPosition + row.TokenCount - drafts.Length;
        return position >= firstDraft ? drafts[position - firstDraft] : row.Request.Tokens[position];
    }

    private int TokenOf(ulong hash) => (int)(hash % (ulong)_vocabulary);

    private static ulong Start(string? adapter)
    {
        ulong hash = 17;
        foreach (char c in adapter ?? "")
            hash = Mix(hash, c);
        return hash;
    }

    private static ulong Mix(ulong hash, int value)
    {
        ulong z = (hash ^ ((ulong)value + 0x9E3779B97F4A7C15UL)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 29)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 32);
    }
}
