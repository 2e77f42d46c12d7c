using System;
using Quire.Core.Requests;

namespace Quire.Core.Scheduling;

/// <summary>Which running request gives way when blocks run out.</summary>
internal static class Preemption
{
    /// <summary>
    /// The place of the victim in the running list: the last one (first come, first served), or the largest (priority, arrival).
    /// The list is not empty.
    /// </summary>
    public static int Victim(ReadOnlySpan<RequestState> running, SchedulingPolicy policy)
    {
        int victim = running.Length - 1;
        if (policy == SchedulingPolicy.Fcfs)
            return victim;
        for (int i = 0; i < running.Length; i++)
        {
            if (WaitingQueue.ComesBefore(running[victim], running[i]))
                victim = i;
        }

        return victim;
    }
}
