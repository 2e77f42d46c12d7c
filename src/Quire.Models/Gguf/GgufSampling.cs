using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Quire.Models.Config;

namespace Quire.Models.Gguf;

/// <summary>The sampling defaults of a GGUF file (general.sampling.*), in the words of generation_config.json.</summary>
internal static class GgufSampling
{
    private static readonly (string Key, string Name)[] Numbers =
    [
        ("general.sampling.temp", "temperature"),
        ("general.sampling.top_p", "top_p"),
        ("general.sampling.min_p", "min_p"),
        ("general.sampling.penalty_repeat", "repetition_penalty"),
    ];

    /// <summary>The settings as a JSON object; empty when the file states none.</summary>
    public static JsonElement Read(string path)
    {
        using GgufFile file = GgufFile.Open(GgufCheckpoint.FirstPart(path));
        var json = new JsonObject();
        foreach ((string key, string name) in Numbers)
        {
            if (file.Metadata.Number(key, double.MinValue, double.MaxValue) is { } value)
            {
                json[name] = value;
            }
        }

        if (file.Metadata.Integer("general.sampling.top_k", int.MinValue, int.MaxValue) is { } topK)
        {
            json["top_k"] = topK;
        }

        return JsonFile.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()), System.IO.Path.GetFileName(path));
    }
}
