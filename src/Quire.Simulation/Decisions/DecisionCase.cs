using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Quire.Simulation.Decisions;

/// <summary>
/// One workload and what the scheduler decided in each of its steps, in the form of <c>goldens/scheduler/decisions.json</c>. There is no clock: a step
/// follows a step, and the tokens of a step are known before the next is planned.
/// </summary>
public sealed record DecisionCase
{
    [JsonRequired]
    public string Name { get; init; } = "";

    [JsonRequired]
    public DecisionConfig Config { get; init; } = new();

    [JsonRequired]
    public IReadOnlyList<DecisionRequest> Requests { get; init; } = [];

    /// <summary>Null in a case that was not run yet.</summary>
    public IReadOnlyList<DecisionStep>? Steps { get; init; }
}

/// <summary>The scheduler's options, under vLLM's names; null is the default. An unknown name is an error.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record DecisionConfig
{
    [JsonRequired]
    public int MaxNumBatchedTokens { get; init; }

    [JsonRequired]
    public int MaxNumSeqs { get; init; }

    [JsonRequired]
    public int MaxModelLen { get; init; }

    public int? BlockSize { get; init; }

    /// <summary>Blocks of the cache; one of them is never handed out.</summary>
    [JsonRequired]
    public int NumBlocks { get; init; }

    /// <summary><c>fcfs</c> (default) or <c>priority</c>.</summary>
    public string? Policy { get; init; }

    public bool? EnablePrefixCaching { get; init; }

    public bool? EnableChunkedPrefill { get; init; }

    public int? LongPrefillTokenThreshold { get; init; }

    public int? MaxNumScheduledTokens { get; init; }

    public double? Watermark { get; init; }

    public bool? SchedulerReserveFullIsl { get; init; }
}

/// <summary>A request of a workload, and what "the model" answers to it.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record DecisionRequest
{
    [JsonRequired]
    public string Id { get; init; } = "";

    /// <summary>It joins before the step of this number.</summary>
    [JsonRequired]
    public int ArrivalStep { get; init; }

    [JsonRequired]
    public int[] PromptTokenIds { get; init; } = [];

    [JsonRequired]
    public int MaxTokens { get; init; }

    public int? Priority { get; init; }

    public string? CacheSalt { get; init; }

    /// <summary>Taken back before the step of this number, after its arrivals.</summary>
    public int? AbortStep { get; init; }

    /// <summary>The tokens that are sampled for it, in order.</summary>
    [JsonRequired]
    public int[] OutputTokenIds { get; init; } = [];

    public int? MinTokens { get; init; }

    public int? EosTokenId { get; init; }

    public int[]? StopTokenIds { get; init; }
}

/// <summary>What happened in one step. Empty lists and maps are left out of the text, except those that are always written.</summary>
public sealed record DecisionStep
{
    public int Step { get; init; }

    /// <summary>Tokens by request, in the order of the plan. Always written.</summary>
    public OrderedCounts Scheduled { get; init; } = OrderedCounts.Empty;

    /// <summary>Requests in their first step, with the tokens that were cached.</summary>
    public OrderedCounts? New { get; init; }

    /// <summary>Requests in their first step after they lost their blocks, with the tokens that were cached.</summary>
    public OrderedCounts? Resumed { get; init; }

    /// <summary>Requests that lost their blocks, by name.</summary>
    public IReadOnlyList<string>? Preempted { get; init; }

    /// <summary>Requests that ended with this step, in the order of the plan.</summary>
    public IReadOnlyList<string>? Finished { get; init; }

    /// <summary>Running requests after the step. Always written.</summary>
    public IReadOnlyList<string> Running { get; init; } = [];

    /// <summary>Waiting requests after the step, in the order in which they would be taken. Always written.</summary>
    public IReadOnlyList<string> Waiting { get; init; } = [];

    /// <summary>Blocks that nobody holds after the step.</summary>
    public int FreeBlocks { get; init; }
}
