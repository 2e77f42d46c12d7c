using System;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging.Abstractions;
using Quire.Core.Scheduling;
using Quire.Engine.Execution;
using Quire.Engine.Metrics;

namespace Quire.Engine.Tests;

/// <summary>The loop without a model.</summary>
public class EngineLoopTests
{
    [Fact]
    public async Task A_command_that_fails_the_engine_does_not_leave_those_behind_it_without_an_answer()
    {
        using var commands = new CommandQueue();
        var scheduler = new Scheduler(new SchedulerOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 8, MaxModelLen = 8, NumBlocks = 4 });
        var loop = new EngineLoop(scheduler, null!, new EngineMetrics(8, [], 0), commands, NullLogger.Instance, loras: null, overlaps: false);
        var answer = new TaskCompletionSource<bool>();
        commands.Post(new EngineCommand((CommandKind)99, null));
        commands.Post(new EngineCommand(CommandKind.ResetPrefixCache, answer));
        loop.Start();
        loop.Join();
        Assert.IsType<InvalidOperationException>(loop.Failure);
        Assert.Equal(ErrorCodes.EngineDead, (await Assert.ThrowsAsync<QuireException>(() => answer.Task)).Code);
    }
}
