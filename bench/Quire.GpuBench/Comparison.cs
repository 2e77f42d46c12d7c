using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;

namespace Quire.GpuBench;

/// <summary>Lines of <c>step</c> beside the lines of the yardstick, a PyTorch program that prints one JSON object for each step it timed.</summary>
internal static class Comparison
{
    public static int Run(string[] files)
    {
        JsonElement[] lines = [.. files.SelectMany(File.ReadLines).Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)];
        var yardstick = new Dictionary<(string Model, string Step), double>();
        foreach (JsonElement line in lines.Where(line => line.TryGetProperty("yardstick", out _)))
        {
            string model = line.GetProperty("model").GetString()!;
            if (line.TryGetProperty("step_ms", out JsonElement milliseconds))
            {
                yardstick[(model, $"{line.GetProperty("batch").GetInt32()}x{line.GetProperty("context").GetInt32()}")] = milliseconds.GetDouble();
            }
            else
            {
                yardstick[(model, $"prefill {line.GetProperty("tokens").GetInt32()}")] = line.GetProperty("tok_s").GetDouble();
            }
        }

        string current = "";
        foreach (JsonElement line in lines)
        {
            if (line.TryGetProperty("weights_gb", out _))
            {
                current = line.GetProperty("model").GetString()!;
            }
            else if (line.TryGetProperty("decode", out JsonElement decode))
            {
                double mine = line.GetProperty("step_ms").GetDouble();
                Print(current, $"decode {decode.GetString()}", $"{mine:F3} ms, {line.GetProperty("gb_s").GetDouble():F0} GB/s", yardstick, decode.GetString()!, mine);
            }
            else if (line.TryGetProperty("prefill", out JsonElement prefill))
            {
                double mine = line.GetProperty("tok_s").GetDouble();
                string length = prefill.GetString()!.Split('x')[1];
                Print(current, $"prefill {prefill.GetString()}", $"{mine:F0} tokens/s, {line.GetProperty("ms").GetDouble():F2} ms", yardstick, $"prefill {length}", mine);
            }
        }

        return 0;
    }

    private static void Print(string model, string step, string figures, Dictionary<(string Model, string Step), double> yardstick, string key, double mine)
    {
        string ratio = yardstick.TryGetValue((model, key), out double other) ? $"{mine / other:F3} of the yardstick's {other:G6}" : "";
        Console.WriteLine($"{model,-18} {step,-18} {figures,-34} {ratio}");
    }
}
