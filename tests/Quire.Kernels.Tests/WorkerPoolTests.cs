using System;
using System.Threading;
using Quire.Cpu;

namespace Quire.Kernels.Tests;

public unsafe class WorkerPoolTests
{
    [Fact]
    public void Every_item_is_done_once_for_any_number_of_threads_items_and_pieces()
    {
        var random = new Random(7);
        foreach (int threads in new[] { 1, 2, 3, 5 })
        {
            using var pool = new WorkerPool(threads, spinMicros: threads == 3 ? 0 : 20);
            for (int round = 0; round < 300; round++)
            {
                int items = random.Next(0, 200);
                var counts = new int[200];
                fixed (int* address = counts)
                {
                    var job = new CountingJob { Counts = address };
                    pool.Run(in job, items, random.Next(1, 20));
                }

                for (int i = 0; i < counts.Length; i++)
                {
                    Assert.Equal(i < items ? 1 : 0, counts[i]);
                }
            }
        }
    }

    [Fact]
    public void Threads_that_sleep_wake_for_the_next_job()
    {
        using var pool = new WorkerPool(3, spinMicros: 10);
        for (int round = 0; round < 20; round++)
        {
            Thread.Sleep(round % 4);
            int total = 0;
            var job = new SummingJob { Total = &total };
            pool.Run(in job, 100, 1);
            Assert.Equal(4950, total);
        }
    }

    [Fact]
    public void An_exception_reaches_the_caller_and_the_pool_goes_on()
    {
        using var pool = new WorkerPool(3, spinMicros: 10);
        for (int round = 0; round < 20; round++)
        {
            var failing = new FailingJob { Bad = round };
            var exception = Assert.Throws<InvalidOperationException>(() => pool.Run(in failing, 20, 1));
            Assert.Equal($"item {round}", exception.Message);
            int total = 0;
            var job = new SummingJob { Total = &total };
            pool.Run(in job, 100, 3);
            Assert.Equal(4950, total);
        }
    }

    [Fact]
    public void Idle_threads_go_to_sleep()
    {
        using var pool = new WorkerPool(4, spinMicros: 50);
        int total = 0;
        var job = new SummingJob { Total = &total };
        pool.Run(in job, 100, 1);
        Assert.True(SpinWait.SpinUntil(() => pool.SleepingHelpers == 3, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Disposing_ends_the_threads()
    {
        var pool = new WorkerPool(3, spinMicros: 50);
        pool.Dispose();
        pool.Dispose();
        Assert.Equal(0, pool.LivingHelpers);
    }

    private struct CountingJob : IPoolJob<CountingJob>
    {
        public int* Counts;

        public static void Execute(ref readonly CountingJob job, int worker, int begin, int end)
        {
            for (int i = begin; i < end; i++)
            {
                Interlocked.Increment(ref job.Counts[i]);
            }
        }
    }

    private struct SummingJob : IPoolJob<SummingJob>
    {
        public int* Total;

        public static void Execute(ref readonly SummingJob job, int worker, int begin, int end)
        {
            for (int i = begin; i < end; i++)
            {
                Interlocked.Add(ref *job.Total, i);
            }
        }
    }

    private struct FailingJob : IPoolJob<FailingJob>
    {
        public int Bad;

        public static void Execute(ref readonly FailingJob job, int worker, int begin, int end)
        {
            if (begin <= job.Bad && job.Bad < end)
            {
                throw new InvalidOperationException($"item {job.Bad}");
            }
        }
    }
}
