using System;
using System.Diagnostics;
using System.Linq;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Benchmarks;

/// <summary>What a step costs outside the model: planning and committing steady decode of many requests, in microseconds and bytes.</summary>
internal static class SchedulerCommand
{
    private const int Steps = 400;

    public static int Run()
    {
        // The first runs are interpreted by unoptimised code; what counts is a server that has been up for a second.
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 2;)
        {
            Measure(64, caching: true);
            Measure(64, caching: false);
        }

        Console.WriteLine($"{"running",8}  {"prefix caching",-14}  {"median",9}  {"p99",9}  {"bytes/step",10}");
        foreach (int running in (ReadOnlySpan<int>)[1, 8, 64, 256, 1024])
        {
            foreach (bool caching in (ReadOnlySpan<bool>)[true, false])
            {
                Measure(running, caching);
                (double median, double tail, double bytes) = Measure(running, caching);
                Console.WriteLine($"{running,8}  {(caching ? "on" : "off"),-14}  {median,6:F1} us  {tail,6:F1} us  {bytes,10:F0}");
            }
        }

        return 0;
    }

    private static (double Median, double Tail, double Bytes) Measure(int running, bool caching)
    {
        var scheduler = new Scheduler(new SchedulerOptions
        {
            MaxNumSeqs = running,
            MaxNumBatchedTokens = Math.Max(running, 64) * 32,
            MaxModelLen = 4096,
            NumBlocks = running * 64 + 2,
            EnablePrefixCaching = caching,
        });
        for (int i = 0; i < running; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, 24).Select(t => t * 7 + i)];
            scheduler.Admit(new RequestSpec { Id = new RequestId(i + 1), PromptTokenIds = prompt, MaxTokens = 900 });
        }

        int[] tokens = [.. Enumerable.Repeat(5, running)];
        int[] counts = [.. Enumerable.Repeat(1, running)];
        var micros = new double[Steps];

        // Token buffers double now and then; the middle half of the steps has none of that.
        long bytes = 0;
        for (int step = -50; step < Steps; step++)
        {
            if (step == Steps / 4)
            {
                bytes = GC.GetAllocatedBytesForCurrentThread();
            }

            long start = Stopwatch.GetTimestamp();
            StepPlan plan = scheduler.Plan()!;
            int rows = plan.Rows.Length;
            scheduler.Commit(plan, new SampledTokens(tokens.AsSpan(0, rows), counts.AsSpan(0, rows)));
            if (step >= 0)
            {
                micros[step] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }

            if (step == Steps / 2)
            {
                bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            }
        }

        Array.Sort(micros);
        return (micros[Steps / 2], micros[Steps * 99 / 100], bytes / (Steps / 4.0));
    }
}
