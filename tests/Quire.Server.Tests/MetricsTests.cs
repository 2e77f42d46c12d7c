using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Server.Metrics;

namespace Quire.Server.Tests;

public partial class MetricsTests
{
    [Fact]
    public async Task The_page_is_valid_text_format()
    {
        await using TestServer server = await TestServer.StartAsync();
        using var response = await server.Client.GetAsync("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        string page = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("\n", page, StringComparison.Ordinal);
        string family = "", type = "";
        var seenFamilies = new HashSet<string>();
        var seenSeries = new HashSet<string>();
        foreach (string line in page[..^1].Split('\n'))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                family = line.Split(' ')[2];
                Assert.True(seenFamilies.Add(family), family);
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.Equal(family, line.Split(' ')[2]);
                type = line.Split(' ')[3];
                Assert.Contains(type, (string[])["gauge", "counter", "histogram"]);
                Assert.True(type != "counter" || family.EndsWith("_total", StringComparison.Ordinal), family);
            }
            else
            {
                Match match = Sample().Match(line);
                Assert.True(match.Success, line);
                Assert.True(seenSeries.Add(match.Groups[1].Value + match.Groups[2].Value), line);
                string name = match.Groups[1].Value;
                Assert.True(name == family || (type == "histogram" && name.StartsWith(family + "_", StringComparison.Ordinal)), line);
                string[] labels = [.. Label().Matches(match.Groups[2].Value).Select(m => m.Groups[1].Value)];
                Assert.Equal(labels.Order(StringComparer.Ordinal), labels);
                Assert.True(match.Groups[3].Value is "+Inf" or "NaN" || double.TryParse(match.Groups[3].Value, CultureInfo.InvariantCulture, out _), line);
            }
        }
    }

    [Fact]
    public async Task Histograms_are_cumulative_and_end_with_all_observations()
    {
        await using TestServer server = await TestServer.StartAsync();
        server.Engine.Metrics.RequestParamsN.Observe(1);
        server.Engine.Metrics.RequestParamsN.Observe(7);
        server.Engine.Metrics.RequestParamsN.Observe(1000);
        server.Engine.Metrics.Finished(FinishReason.Length).Add(3);
        string page = await server.Client.GetStringAsync("/metrics");
        string[] lines = [.. page.Split('\n').Where(l => l.StartsWith("vllm:request_params_n_", StringComparison.Ordinal))];
        Assert.Equal(
            [
                "vllm:request_params_n_bucket{engine=\"0\",le=\"1.0\",model_name=\"quill\"} 1.0",
                "vllm:request_params_n_bucket{engine=\"0\",le=\"2.0\",model_name=\"quill\"} 1.0",
                "vllm:request_params_n_bucket{engine=\"0\",le=\"5.0\",model_name=\"quill\"} 1.0",
                "vllm:request_params_n_bucket{engine=\"0\",le=\"10.0\",model_name=\"quill\"} 2.0",
                "vllm:request_params_n_bucket{engine=\"0\",le=\"20.0\",model_name=\"quill\"} 2.0",
                "vllm:request_params_n_bucket{engine=\"0\",le=\"+Inf\",model_name=\"quill\"} 3.0",
                "vllm:request_params_n_count{engine=\"0\",model_name=\"quill\"} 3.0",
                "vllm:request_params_n_sum{engine=\"0\",model_name=\"quill\"} 1008.0",
                "vllm:request_params_n_created{engine=\"0\",model_name=\"quill\"} 1800000000.0",
            ],
            lines);
        Assert.Contains("vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"quill\"} 3.0", page, StringComparison.Ordinal);
        Assert.Contains("vllm:cache_config_info{block_size=\"16\",cache_dtype=\"auto\",engine=\"0\"} 1.0", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Promtool_accepts_the_page_where_it_is_installed()
    {
        string? promtool = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "promtool")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(promtool is null, "promtool is not installed");
        await using TestServer server = await TestServer.StartAsync();
        string page = await server.Client.GetStringAsync("/metrics");
        using var process = Process.Start(new ProcessStartInfo(promtool!, "check metrics") { RedirectStandardInput = true, RedirectStandardError = true })!;
        await process.StandardInput.WriteAsync(page);
        process.StandardInput.Close();
        string errors = await process.StandardError.ReadToEndAsync();
        Assert.DoesNotContain("error while linting", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0.0")]
    [InlineData(0.001, "0.001")]
    [InlineData(2560, "2560.0")]
    [InlineData(1.5e-7, "1.5e-07")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NaN, "NaN")]
    public void Numbers_are_floats(double value, string expected) => Assert.Equal(expected, PrometheusWriter.Format(value));

    [Fact]
    public void Label_values_are_escaped() =>
        Assert.Equal("a=\"x\\\\y\\\"z\\n\"", PrometheusWriter.Labels(("a", "x\\y\"z\n")));

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)((?:\{[^ ]*\})?) (\S+)$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""(\w+)="(?:[^"\\]|\\.)*" *""")]
    private static partial Regex Label();
}
