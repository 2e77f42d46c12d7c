using System.Diagnostics;
using Quire.Engine.Metrics;
using Quire.Tensors;

namespace Quire.Engine.Tests;

public class StepRecorderTests
{
    [Fact]
    public void Quantiles_are_of_the_steps_between_start_and_stop()
    {
        var recorder = new StepRecorder(null);
        recorder.Note(Stopwatch.Frequency * 50);
        recorder.Start();
        for (int i = 1; i <= 1001; i++)
        {
            recorder.Note(Stopwatch.Frequency * (i * 7919 % 1001 + 1));
        }

        StepTimes times = recorder.Stop();
        recorder.Note(Stopwatch.Frequency * 5000);
        Assert.Equal(1001, times.Steps);

        // 1 to 1001 seconds, each once: the median is the middle one, and one of a thousand is beyond 1000.
        Assert.Equal(501, times.HostP50, 9);
        Assert.Equal(1000, times.HostP999, 9);
        Assert.Null(times.Device);
        recorder.Start();
        Assert.Equal(0, recorder.Stop().Steps);
    }

    [Fact]
    public void More_steps_than_are_kept_are_still_counted()
    {
        var recorder = new StepRecorder(null);
        recorder.Start();
        for (int i = 0; i < StepRecorder.Capacity + 10; i++)
        {
            recorder.Note(Stopwatch.Frequency);
        }

        StepTimes times = recorder.Stop();
        Assert.Equal(StepRecorder.Capacity + 10, times.Steps);
        Assert.Equal(1, times.HostP999, 9);
    }

    [Fact]
    public void The_share_of_idle_time_is_that_of_all_time()
    {
        Assert.Equal(0.25, new DeviceTimes(2, 3, 1).IdleShare);
        Assert.Equal(0, default(DeviceTimes).IdleShare);
    }
}
