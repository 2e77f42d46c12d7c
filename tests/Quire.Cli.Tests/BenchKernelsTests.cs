using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;

namespace Quire.Cli.Tests;

public class BenchKernelsTests
{
    [Fact]
    public async Task Kernels_are_measured_beside_the_limits_of_the_machine()
    {
        CliRun run = await CliRun.Of("bench", "kernels", "--short", "--format", "q4_0", "--tokens", "1,9", "--seconds", "0.001", "--json");
        Assert.True(run.Status == 0, run.Error);
        JsonElement result = JsonDocument.Parse(run.Out).RootElement;
        Assert.Equal("Q4_0", result.GetProperty("format").GetString());
        Assert.True(result.GetProperty("read_limit_gb_per_s").GetDouble() > 0);
        Assert.True(result.TryGetProperty("machine", out _));
        JsonElement[] kernels = [.. result.GetProperty("kernels").EnumerateArray()];
        JsonElement head = kernels.Single(row => row.GetProperty("name").GetString()!.StartsWith("head", System.StringComparison.Ordinal));
        Assert.Equal(1, head.GetProperty("tokens").GetInt32());

        // 4,096 outputs of 2,048 inputs, 18 bytes for each 32 of them, read once in the median time.
        double bytes = 4096.0 * 2048 / 32 * 18;
        Assert.Equal(bytes / head.GetProperty("median_s").GetDouble() / 1e9, head.GetProperty("gb_per_s").GetDouble(), 6);
        Assert.Contains(kernels, row => row.GetProperty("name").GetString()!.StartsWith("attention", System.StringComparison.Ordinal) && row.GetProperty("tokens").GetInt32() == 9);
        JsonElement[] steps = [.. result.GetProperty("steps").EnumerateArray()];
        Assert.Equal([1, 9], steps.Select(row => row.GetProperty("tokens").GetInt32()));
        Assert.Equal(9 / steps[1].GetProperty("median_s").GetDouble(), steps[1].GetProperty("tokens_per_s").GetDouble(), 6);
    }

    [Theory]
    [InlineData("--format", "q9_9", "Q8_0")]
    [InlineData("--tokens", "0", "[1, 4096]")]
    [InlineData("--tokens", "1,,2", "[1, 4096]")]
    [InlineData("--tokens", "4097", "[1, 4096]")]
    [InlineData("--seconds", "0", "above 0")]
    [InlineData("--seconds", "NaN", "above 0")]
    [InlineData("--tier", "avx9", "x86-64-v4")]
    [InlineData("--threads", "100000", "[0, 1024]")]
    [InlineData("--repeat", "0", "[1, 1000]")]
    public async Task Bad_arguments_are_refused_with_their_limits(string name, string value, string limit)
    {
        CliRun run = await CliRun.Of("bench", "kernels", name, value);
        Assert.Equal(2, run.Status);
        Assert.Contains(value, run.Error, System.StringComparison.Ordinal);
        Assert.Contains(limit, run.Error, System.StringComparison.Ordinal);
    }
}
