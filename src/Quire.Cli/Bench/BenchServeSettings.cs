using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json.Nodes;

namespace Quire.Cli.Bench;

/// <summary>The flags of <c>bench serve</c>, read and checked.</summary>
internal sealed record BenchServeSettings
{
    public required string Backend { get; init; }

    public required Uri Endpoint { get; init; }

    public required Uri ModelsEndpoint { get; init; }

    public string? Model { get; init; }

    public string? ServedModelName { get; init; }

    public string? Tokenizer { get; init; }

    public bool SkipTokenizer { get; init; }

    public required DatasetOptions Dataset { get; init; }

    public required double RequestRate { get; init; }

    public required double Burstiness { get; init; }

    public Func<int, double>? Ramp { get; init; }

    public string? RampStrategy { get; init; }

    public double RampStart { get; init; }

    public double RampEnd { get; init; }

    public int? MaxConcurrency { get; init; }

    public int Warmups { get; init; }

    public double ReadyTimeout { get; init; }

    public bool IgnoreEos { get; init; }

    public double? Temperature { get; init; }

    /// <summary>Further fields of every body: sampling parameters and --extra-body.</summary>
    public required JsonObject Extra { get; init; }

    public required IReadOnlyList<string> Metrics { get; init; }

    public required IReadOnlyList<double> Percentiles { get; init; }

    public IReadOnlyDictionary<string, double>? Goodput { get; init; }

    public required IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; }

    public string? RequestIdPrefix { get; init; }

    public required IReadOnlyList<KeyValuePair<string, string>> Metadata { get; init; }

    public string? Label { get; init; }

    public bool Insecure { get; init; }

    public bool SaveResult { get; init; }

    public bool SaveDetailed { get; init; }

    public string? ResultDirectory { get; init; }

    public string? ResultFile { get; init; }

    /// <summary>Whether requests have a planned time of sending.</summary>
    public bool IsPaced => Ramp is not null || !double.IsPositiveInfinity(RequestRate);

    private bool IsChat => Backend == "openai-chat";

    public IReadOnlyList<KeyValuePair<string, string>> HeadersFor(int index) =>
        RequestIdPrefix is null ? Headers : [.. Headers, new KeyValuePair<string, string>("x-request-id", RequestIdPrefix + index.ToString(CultureInfo.InvariantCulture))];

    /// <summary>The body of a request, as vLLM's bench sends it.</summary>
    public byte[] Body(string model, BenchRequest request)
    {
        var body = new JsonObject { ["model"] = ServedModelName ?? model };
        if (IsChat)
        {
            body["messages"] = new JsonArray(new JsonObject
            {
                ["role"] = "user",
                ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = request.Prompt ?? throw new InvalidOperationException("a chat needs text, and so a tokenizer") }),
            });
            body["max_completion_tokens"] = request.OutputLength;
        }
        else
        {
            body["prompt"] = request.Prompt is { } text ? JsonValue.Create(text) : Ids(request.PromptTokenIds!);
            body["max_tokens"] = request.OutputLength;
        }

        body["stream"] = true;
        body["stream_options"] = new JsonObject { ["include_usage"] = true };
        if (IgnoreEos)
            body["ignore_eos"] = true;
        foreach ((string key, JsonNode? value) in Extra)
            body[key] = value?.DeepClone();
        return Encoding.UTF8.GetBytes(body.ToJsonString());
    }

    /// <summary>The keys of a result that say how it was measured.</summary>
    public JsonObject Describe(string model, int count)
    {
        var result = new JsonObject
        {
            ["date"] = DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture),
            ["endpoint_type"] = Backend,
            ["backend"] = Backend,
            ["label"] = Label,
            ["model_id"] = model,
            ["tokenizer_id"] = Tokenizer ?? model,
            ["num_prompts"] = count,
        };
        foreach ((string key, string value) in Metadata)
            result[key] = value;
        result["request_rate"] = double.IsPositiveInfinity(RequestRate) ? "inf" : RequestRate;
        result["burstiness"] = double.IsPositiveInfinity(Burstiness) ? "inf" : Burstiness;
        result["max_concurrency"] = MaxConcurrency;
        if (RampStrategy is not null)
        {
            result["ramp_up_strategy"] = RampStrategy;
            result["ramp_up_start_rps"] = RampStart;
            result["ramp_up_end_rps"] = RampEnd;
        }

        return result;
    }

    /// <summary>Where <c>--save-result</c> writes: vLLM's name of the file unless one is given.</summary>
    public string ResultPath(string model, DateTime now)
    {
        string rate = double.IsPositiveInfinity(RequestRate) ? "inf" : RequestRate.ToString(CultureInfo.InvariantCulture);
        string concurrency = MaxConcurrency is { } most ? $"-concurrency{most.ToString(CultureInfo.InvariantCulture)}" : "";
        string name = ResultFile ?? $"{Label ?? Backend}-{rate}qps{concurrency}-{Path.GetFileName(Path.TrimEndingDirectorySeparator(model))}-{now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}.json";
        return ResultDirectory is null ? name : Path.Combine(ResultDirectory, name);
    }

    private static JsonArray Ids(int[] ids)
    {
        var list = new JsonArray();
        foreach (int id in ids)
            list.Add((JsonNode?)JsonValue.Create(id));
        return list;
    }
}
