namespace Quire.Core.Scheduling;

/// <summary>Tokens looked up in the prefix cache, and those of them that were found.</summary>
public readonly record struct PrefixCounts(long Queries, long Hits)
{
    internal PrefixCounts Plus(int queries, int hits) => new(Queries + queries, Hits + hits);
}

/// <summary>Counters since the scheduler was made; they only grow.</summary>
/// <param name="Steps">Plans given out.</param>
/// <param name="Prefix">Lookups of requests that were taken for the first time.</param>
/// <param name="ResumedPrefix">Lookups of requests that had lost their blocks.</param>
/// <param name="Preemptions">How often a request lost its blocks.</param>
public readonly record struct SchedulerStatistics(long Steps, PrefixCounts Prefix, PrefixCounts ResumedPrefix, long Preemptions);
