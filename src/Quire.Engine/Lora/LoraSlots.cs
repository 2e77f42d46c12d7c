using System;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Quire.Core.Scheduling;
using Quire.Engine.Execution;
using Quire.Models.Lora;
using Quire.Tensors;

namespace Quire.Engine.Lora;

/// <summary>
/// Before each step: sees that the adapters of the plan are in slots, the one used longest ago making room, and says which rows belong
/// to which. Belongs to the engine's thread; a step whose adapters are all in place allocates nothing.
/// </summary>
internal sealed class LoraSlots
{
    private readonly LoraRegistry _registry;
    private readonly LoraBank _bank;
    private readonly ILogger _logger;
    private readonly StagingBuffer _staging;
    private readonly LoraEntry?[] _entries;
    private readonly long[] _lastUse;
    private readonly int _maxTokens;
    private long _step;

    /// <param name="registry">Where weights come from.</param>
    /// <param name="bank">The slots.</param>
    /// <param name="backend">Whose staging memory is used.</param>
    /// <param name="maxTokens">Most tokens in a step.</param>
    /// <param name="logger">Told of adapters that are lost.</param>
    public LoraSlots(LoraRegistry registry, LoraBank bank, IBackend backend, int maxTokens, ILogger logger)
    {
        _registry = registry;
        _bank = bank;
        _logger = logger;
        _maxTokens = Aligned(maxTokens);
        _staging = backend.AllocateStaging(checked((2 * _maxTokens + Aligned(bank.Slots + 1)) * sizeof(int)));
        _entries = new LoraEntry?[bank.Slots];
        _lastUse = new long[bank.Slots];
    }

    /// <summary>The rows of a plan by adapter; the default when no row has one.</summary>
    public LoraBatch Prepare(StepPlan plan)
    {
        _step++;
        bool any = false;
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            if (((Sequence)row.Request.Attachment!).Lora is { Slot: >= 0 } present)
            {
                _lastUse[present.Slot] = _step;
                any = true;
            }
        }

        // Only now is it known which slots this step does not need.
        foreach (ref readonly ScheduledRow row in plan.Rows)
        {
            if (((Sequence)row.Request.Attachment!).Lora is { Slot: < 0, Failure: null } absent)
            {
                any |= TryPlace(absent);
            }
        }

        return any ? Build(plan.Rows) : default;
    }

    private bool TryPlace(LoraEntry entry)
    {
        LoraAdapter weights;
        try
        {
            weights = _registry.Weights(entry);
        }
        catch (QuireException lost)
        {
            _logger.LogError("The LoRA adapter {Name} is lost, its requests end with an error: {Reason}", entry.Name, lost.Message);
            return false;
        }

        int slot = 0;
        for (int i = 1; i < _entries.Length; i++)
        {
            slot = _lastUse[i] < _lastUse[slot] ? i : slot;
        }

        if (_lastUse[slot] == _step)
        {
            throw new InvalidOperationException($"a step has more than {_entries.Length} adapters");
        }

        if (_entries[slot] is { } previous)
        {
            previous.Slot = -1;
        }

        _bank.Write(slot, weights);
        _entries[slot] = entry;
        _lastUse[slot] = _step;
        entry.Slot = slot;
        return true;
    }

    private LoraBatch Build(ReadOnlySpan<ScheduledRow> rows)
    {
        Span<int> host = MemoryMarshal.Cast<byte, int>(_staging.Host);
        Span<int> slots = host[.._maxTokens];
        Span<int> order = host.Slice(_maxTokens, _maxTokens);
        Span<int> starts = host.Slice(2 * _maxTokens, _bank.Slots + 1);
        int token = 0;
        starts.Clear();
        foreach (ref readonly ScheduledRow row in rows)
        {
            int slot = SlotOf(row);
            slots.Slice(token, row.TokenCount).Fill(slot);
            token += row.TokenCount;
            if (slot >= 0)
            {
                starts[slot + 1] += row.TokenCount;
            }
        }

        int active = 0;
        for (int slot = 0; slot < _bank.Slots; slot++)
        {
            starts[slot + 1] += starts[slot];
            if (starts[slot + 1] > starts[slot])
            {
                active = AddOrder(rows, slot, order, active);
            }
        }

        _staging.Flush(_staging.Host.Length);
        return new LoraBatch
        {
            Slots = Device(0, token),
            Order = Device(_maxTokens, active),
            Starts = Device(2 * _maxTokens, _bank.Slots + 1),
        };
    }

    private static int AddOrder(ReadOnlySpan<ScheduledRow> rows, int slot, Span<int> order, int count)
    {
        int token = 0;
        foreach (ref readonly ScheduledRow row in rows)
        {
            if (SlotOf(row) == slot)
            {
                for (int i = 0; i < row.TokenCount; i++)
                {
                    order[count++] = token + i;
                }
            }

            token += row.TokenCount;
        }

        return count;
    }

    private static int SlotOf(in ScheduledRow row) => ((Sequence)row.Request.Attachment!).Lora?.Slot ?? -1;

    private Tensor Device(int start, int count) => new(_staging.DeviceAddress + start * sizeof(int), DType.I32, 1, count);

    /// <summary>Sixteen integers are a cache line.</summary>
    private static int Aligned(int count) => checked((count + 15) / 16 * 16);
}
