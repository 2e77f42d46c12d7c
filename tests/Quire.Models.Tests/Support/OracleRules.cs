using System;
using System.Linq;
using System.Text.Json.Nodes;

namespace Quire.Models.Tests.Support;

/// <summary>Windows and rotary frequencies of the oracle: the tables of the model cards and papers, written down a second time.</summary>
internal static class OracleRules
{
    /// <summary>Positions that a query of a layer sees; 0 for all.</summary>
    public static int Window(string family, JsonObject config, int layer, int layers)
    {
        double? given = config["sliding_window"]?.GetValue<double>();
        bool absent = !config.ContainsKey("sliding_window");
        int window = family switch
        {
            "mistral" => (int)(absent ? 4096 : given ?? 0),
            "mixtral" or "phi3" => (int)(given ?? 0),
            "qwen2" or "qwen3" or "qwen3_moe" => config["use_sliding_window"]?.GetValue<bool>() == true ? (int)(given ?? 4096) : 0,
            "gemma2" or "gemma3" => (int)(given ?? 4096),
            _ => 0,
        };
        if (config["layer_types"] is JsonArray kinds)
        {
            Assert.Equal(layers, kinds.Count);
            return kinds[layer]!.GetValue<string>() == "sliding_attention" ? window : 0;
        }

        bool slides = family switch
        {
            "gemma2" => layer % 2 == 0,
            "gemma3" => (layer + 1) % (int)(config["sliding_window_pattern"]?.GetValue<double>() ?? 6) != 0,
            "qwen2" or "qwen3" or "qwen3_moe" => layer >= (int)(config["max_window_layers"]?.GetValue<double>() ?? 28),
            _ => true,
        };
        return slides ? window : 0;
    }

    /// <summary>Radians a position for each pair, and the factor on cosines and sines.</summary>
    public static (double[] Inverse, double Magnitude) Rope(string family, JsonObject config, int headDim, bool sliding, int maxModelLength)
    {
        JsonObject? parameters = config["rope_parameters"] as JsonObject;
        if (parameters?["full_attention"] is JsonObject full)
        {
            parameters = sliding ? parameters["sliding_attention"] as JsonObject : full;
        }

        JsonObject? scaling = config["rope_scaling"] as JsonObject ?? parameters;
        double defaultTheta = family switch { "mixtral" or "gemma3" or "qwen2" or "qwen3" or "qwen3_moe" => 1e6, _ => 1e4 };
        double theta = Of(config, "rope_theta") ?? Of(parameters, "rope_theta") ?? defaultTheta;
        if (family == "gemma3" && sliding && parameters is null)
        {
            theta = Of(config, "rope_local_base_freq") ?? 1e4;
            scaling = null;
        }

        int d = (int)(headDim * (Of(scaling, "partial_rotary_factor") ?? Of(config, "partial_rotary_factor") ?? 1));
        double[] inverse = [.. Enumerable.Range(0, d / 2).Select(j => Math.Pow(theta, -2.0 * j / d))];
        string kind = (scaling?["rope_type"] ?? scaling?["type"])?.GetValue<string>() ?? "default";
        double s = Of(scaling, "factor") ?? 1;
        double positions = Of(config, "max_position_embeddings") ?? 0;
        double original = Of(scaling, "original_max_position_embeddings") ?? Of(config, "original_max_position_embeddings") ?? positions;
        switch (kind)
        {
            case "default":
                return (inverse, 1);
            case "linear":
                return ([.. inverse.Select(x => x / s)], 1);
            case "dynamic":
                double stretched = theta * Math.Pow(s * (positions * s) / positions - (s - 1), d / (d - 2.0));
                return ([.. Enumerable.Range(0, d / 2).Select(j => Math.Pow(stretched, -2.0 * j / d))], 1);
            case "llama3":
                double low = Of(scaling, "low_freq_factor")!.Value;
                double high = Of(scaling, "high_freq_factor")!.Value;
                return ([.. inverse.Select(x =>
                {
                    double wavelength = 2 * Math.PI / x;
                    double kept = Math.Clamp((original / wavelength - low) / (high - low), 0, 1);
                    return (1 - kept) * x / s + kept * x;
                })], 1);
            case "yarn":
                return (Yarn(scaling!, inverse, d, theta, s, original), Of(scaling, "attention_factor") ?? (s <= 1 ? 1 : 0.1 * Math.Log(s) + 1));
            case "longrope" or "su":
                var factors = (JsonArray)scaling![maxModelLength > original ? "long_factor" : "short_factor"]!;
                double ratio = positions / original;
                double magnitude = Of(scaling, "attention_factor") ?? (ratio <= 1 ? 1 : Math.Sqrt(1 + Math.Log(ratio) / Math.Log(original)));
                return ([.. inverse.Select((x, j) => x / factors[j]!.GetValue<double>())], magnitude);
            default:
                throw new ArgumentOutOfRangeException(nameof(config), kind, "no such kind");
        }
    }

    private static double[] Yarn(JsonObject scaling, double[] inverse, int d, double theta, double s, double original)
    {
        double At(double rotations) => d * Math.Log(original / (2 * Math.PI * rotations)) / (2 * Math.Log(theta));
        bool truncates = scaling["truncate"]?.GetValue<bool>() ?? true;
        double low = At(Of(scaling, "beta_fast") ?? 32);
        double high = At(Of(scaling, "beta_slow") ?? 1);
        low = Math.Max(truncates ? Math.Floor(low) : low, 0);
        high = Math.Min(truncates ? Math.Ceiling(high) : high, d - 1);
        high += low == high ? 0.001 : 0;
        return [.. inverse.Select((x, j) =>
        {
            double ramp = Math.Clamp((j - low) / (high - low), 0, 1);
            return x / s * ramp + x * (1 - ramp);
        })];
    }

    private static double? Of(JsonObject? section, string key) => section?[key]?.GetValue<double>();
}
