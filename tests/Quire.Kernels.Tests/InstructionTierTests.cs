using System;
using System.Diagnostics;
using System.Threading.Tasks;
using Quire.Cpu;

namespace Quire.Kernels.Tests;

/// <summary>Runs the comparisons with the reference again in processes whose runtime pretends to be an older processor.</summary>
public class InstructionTierTests
{
    public const string ChildVariable = "QUIRE_TEST_CHILD";

    [Theory]
    [InlineData("DOTNET_EnableAVX512", InstructionTier.Vector256)]
    [InlineData("DOTNET_EnableAVX2", InstructionTier.Vector128)]
    [InlineData("DOTNET_EnableHWIntrinsic", InstructionTier.Scalar)]
    public async Task Every_operation_is_right_without(string knob, InstructionTier widest)
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable(ChildVariable) is not null, "this is a child process");
        Assert.SkipWhen(CpuFeatures.Widest < widest, $"this processor has no {widest.DisplayName()}");
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] classes =
        [
            nameof(ElementOpsTests), nameof(NormTests), nameof(LinearTests), nameof(ExpertOpsTests), nameof(LoraTests), nameof(AttentionTests),
            nameof(QuantizedKvCacheTests), nameof(BlockLinearTests), nameof(IntegerLinearTests),
            nameof(ExpectedTierTests),
        ];
        foreach (string name in classes)
        {
            start.ArgumentList.Add("--filter-class");
            start.ArgumentList.Add($"Quire.Kernels.Tests.{name}");
        }

        start.Environment[knob] = "0";
        start.Environment[ChildVariable] = widest.ToString();
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync();
        Task<string> errors = child.StandardError.ReadToEndAsync();
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(child.ExitCode == 0, $"with {knob}=0:\n{await output}\n{await errors}");
    }
}

/// <summary>In a child process: the knob had the effect that it was set for.</summary>
public class ExpectedTierTests
{
    [Fact]
    public void The_runtime_offers_the_tier_that_the_process_was_started_for()
    {
        string? expected = Environment.GetEnvironmentVariable(InstructionTierTests.ChildVariable);
        Assert.SkipWhen(expected is null, "only in a child process");
        Assert.Equal(expected, CpuFeatures.Widest.ToString());
        Assert.Equal(CpuFeatures.Widest, CpuFeatures.Detect().Tier);
    }
}
