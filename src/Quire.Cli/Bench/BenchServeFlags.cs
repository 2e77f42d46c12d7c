using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Bench;

/// <summary>The flags of <c>vllm bench serve</c>, with its defaults.</summary>
internal sealed class BenchServeFlags
{
    private static readonly string[] MetricNames = ["ttft", "tpot", "itl", "e2el", "client_queue_time", "e2el_including_client_queue"];

    private readonly Option<string> _backend = Text("--backend", "openai", "openai, vllm (completions) or openai-chat.");
    private readonly Option<string?> _baseUrl = Maybe("--base-url", "Address of the server, instead of host and port.");
    private readonly Option<string> _host = Text("--host", "127.0.0.1", "Host of the server.");
    private readonly Option<int> _port = new("--port") { DefaultValueFactory = _ => 8000, Description = "Port of the server. Default: 8000." };
    private readonly Option<string?> _endpoint = Maybe("--endpoint", "Path. Default: /v1/completions, or /v1/chat/completions for openai-chat.");
    private readonly Option<string[]> _header = Many("--header", "Further headers, K=V.");
    private readonly Option<string?> _model = Maybe("--model", "Model to ask for. Default: the first that the server names.");
    private readonly Option<string?> _served = Maybe("--served-model-name", "Name of the model in requests.");
    private readonly Option<string?> _tokenizer = Maybe("--tokenizer", "Folder of the tokenizer that makes prompts. Default: the model that ships with Quire.");
    private readonly Option<string?> _tokenizerMode = Maybe("--tokenizer-mode", "Accepted; tokenizer.json is read.");
    private readonly Option<bool> _noTokenizer = new("--skip-tokenizer-init") { Description = "Send token ids instead of text." };
    private readonly Option<string> _dataset = Text("--dataset-name", "random", "random, prefix_repetition, sharegpt or custom.");
    private readonly Option<string?> _path = Maybe("--dataset-path", "File of the data set.");
    private readonly Option<string> _count = Text("--num-prompts", "1000", "Requests.");
    private readonly Option<int> _seed = new("--seed") { Description = "Of prompts and arrival times. Default: 0." };
    private readonly Option<string> _rate = Text("--request-rate", "inf", "Requests a second; inf sends all at once.");
    private readonly Option<string> _burstiness = Text("--burstiness", "1.0", "1 is a Poisson process, less is burstier, inf is constant.");
    private readonly Option<int?> _concurrency = new("--max-concurrency") { Description = "Most requests at once." };
    private readonly Option<string?> _ramp = Maybe("--ramp-up-strategy", "linear or exponential.");
    private readonly Option<double> _rampStart = new("--ramp-up-start-rps") { Description = "Requests a second at the beginning." };
    private readonly Option<double> _rampEnd = new("--ramp-up-end-rps") { Description = "Requests a second at the end." };
    private readonly Option<int> _warmups = new("--num-warmups") { Description = "Copies of the first request before measuring. Default: 0." };
    private readonly Option<double> _ready = new("--ready-check-timeout-sec") { Description = "Wait so long for the server. Default: 0, do not." };
    private readonly Option<string?> _input = Maybe("--input-len", "Tokens of each prompt; also --random-input-len. Default: 1024.", "--random-input-len");
    private readonly Option<string?> _output = Maybe("--output-len", "Tokens of each answer; also --random-output-len. Default: 128.", "--random-output-len", "--custom-output-len", "--sharegpt-output-len");
    private readonly Option<double> _range = new("--random-range-ratio") { Description = "Lengths vary within this share of themselves. Default: 0." };
    private readonly Option<int> _prefix = new("--random-prefix-len") { Description = "Tokens that all prompts share. Default: 0." };
    private readonly Option<int> _prefixLen = new("--prefix-repetition-prefix-len") { DefaultValueFactory = _ => 256, Description = "Tokens of a prefix. Default: 256." };
    private readonly Option<int> _suffixLen = new("--prefix-repetition-suffix-len") { DefaultValueFactory = _ => 256, Description = "Tokens after it. Default: 256." };
    private readonly Option<int> _prefixes = new("--prefix-repetition-num-prefixes") { DefaultValueFactory = _ => 10, Description = "Different prefixes. Default: 10." };
    private readonly Option<int> _prefixOutput = new("--prefix-repetition-output-len") { DefaultValueFactory = _ => 128, Description = "Tokens of an answer. Default: 128." };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on after the end-of-sequence token; random data sets always do." };
    private readonly Option<int?> _logprobs = new("--logprobs") { Description = "Ask for log-probabilities." };
    private readonly Option<double?> _temperature = new("--temperature") { Description = "Default: the server's." };
    private readonly Option<double?> _topP = new("--top-p") { Description = "Default: the server's." };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Default: the server's." };
    private readonly Option<double?> _minP = new("--min-p") { Description = "Default: the server's." };
    private readonly Option<double?> _frequency = new("--frequency-penalty") { Description = "Default: the server's." };
    private readonly Option<double?> _presence = new("--presence-penalty") { Description = "Default: the server's." };
    private readonly Option<double?> _repetition = new("--repetition-penalty") { Description = "Default: the server's." };
    private readonly Option<string?> _extra = Maybe("--extra-body", "JSON object merged into every request.");
    private readonly Option<string> _metrics = Text("--percentile-metrics", "ttft,tpot,itl", "Which latencies are reported: " + string.Join(", ", MetricNames) + ".");
    private readonly Option<string> _percentiles = Text("--metric-percentiles", "99", "Percentiles of each.");
    private readonly Option<string[]> _goodput = Many("--goodput", "Limits in milliseconds, such as ttft:500 tpot:50 e2el:3000.");
    private readonly Option<bool> _save = new("--save-result") { Description = "Write the result to a file." };
    private readonly Option<bool> _detailed = new("--save-detailed") { Description = "With every request in it." };
    private readonly Option<string?> _directory = Maybe("--result-dir", "Folder of that file.");
    private readonly Option<string?> _file = Maybe("--result-filename", "Name of that file.");
    private readonly Option<string[]> _metadata = Many("--metadata", "Further keys of the result, K=V.");
    private readonly Option<string?> _label = Maybe("--label", "Label of the result.");
    private readonly Option<bool> _insecure = new("--insecure") { Description = "Do not check the server's certificate." };
    private readonly Option<bool> _quiet = new("--disable-tqdm") { Description = "Accepted: no bar is drawn while measuring." };
    private readonly Option<string?> _requestId = Maybe("--request-id-prefix", "Beginning of the X-Request-Id of every request.");

    public IReadOnlyList<Option> All =>
    [
        _backend, _baseUrl, _host, _port, _endpoint, _header, _model, _served, _tokenizer, _tokenizerMode, _noTokenizer, _dataset, _path, _count, _seed, _rate,
        _burstiness, _concurrency, _ramp, _rampStart, _rampEnd, _warmups, _ready, _input, _output, _range, _prefix, _prefixLen, _suffixLen, _prefixes, _prefixOutput,
        _ignoreEos, _logprobs, _temperature, _topP, _topK, _minP, _frequency, _presence, _repetition, _extra, _metrics, _percentiles, _goodput, _save, _detailed,
        _directory, _file, _metadata, _label, _insecure, _quiet, _requestId,
    ];

    public BenchServeSettings Read(CliCall call)
    {
        ParseResult parsed = call.Parsed;
        string backend = parsed.GetValue(_backend)!;
        if (backend is not ("openai" or "vllm" or "openai-chat"))
            throw Bad("backend", $"--backend must be openai, vllm or openai-chat, got {backend}");
        string root = (parsed.GetValue(_baseUrl) ?? $"http://{parsed.GetValue(_host)}:{parsed.GetValue(_port)}").TrimEnd('/');
        string path = parsed.GetValue(_endpoint) ?? (backend == "openai-chat" ? "/v1/chat/completions" : "/v1/completions");
        string dataset = parsed.GetValue(_dataset)!;
        string? ramp = parsed.GetValue(_ramp);
        int count = Size("num-prompts", parsed.GetValue(_count)!);
        return new BenchServeSettings
        {
            Backend = backend,
            Endpoint = Address(root + path),
            ModelsEndpoint = Address(root + "/v1/models"),
            Model = parsed.GetValue(_model),
            ServedModelName = parsed.GetValue(_served),
            Tokenizer = parsed.GetValue(_tokenizer) ?? ExistingFolder(parsed.GetValue(_model)),
            SkipTokenizer = parsed.GetValue(_noTokenizer),
            Dataset = Dataset(parsed, dataset, count),
            RequestRate = Rate("request-rate", parsed.GetValue(_rate)!),
            Burstiness = Rate("burstiness", parsed.GetValue(_burstiness)!),
            RampStrategy = ramp,
            RampStart = parsed.GetValue(_rampStart),
            RampEnd = parsed.GetValue(_rampEnd),
            Ramp = ramp is null ? null : MakeRamp(ramp, parsed.GetValue(_rampStart), parsed.GetValue(_rampEnd), count),
            MaxConcurrency = parsed.GetValue(_concurrency) is { } most ? (most >= 1 ? most : throw Bad("max-concurrency", $"--max-concurrency must be at least 1, got {most}")) : null,
            Warmups = parsed.GetValue(_warmups),
            ReadyTimeout = parsed.GetValue(_ready),
            IgnoreEos = parsed.GetValue(_ignoreEos) || dataset is "random" or "prefix_repetition",
            Temperature = parsed.GetValue(_temperature),
            Extra = Extra(parsed),
            Metrics = Metrics(parsed.GetValue(_metrics)!),
            Percentiles = Percentiles(parsed.GetValue(_percentiles)!),
            Goodput = Goodput(parsed.GetValue(_goodput) ?? []),
            Headers = Headers(call, parsed.GetValue(_header) ?? []),
            RequestIdPrefix = parsed.GetValue(_requestId),
            Metadata = Pairs("metadata", parsed.GetValue(_metadata) ?? []),
            Label = parsed.GetValue(_label),
            Insecure = parsed.GetValue(_insecure),
            SaveResult = parsed.GetValue(_save) || parsed.GetValue(_detailed),
            SaveDetailed = parsed.GetValue(_detailed),
            ResultDirectory = parsed.GetValue(_directory),
            ResultFile = parsed.GetValue(_file),
        };
    }

    private DatasetOptions Dataset(ParseResult parsed, string name, int count)
    {
        bool repeats = name == "prefix_repetition";
        return new DatasetOptions
        {
            Name = name,
            Path = parsed.GetValue(_path),
            Count = count,
            InputLength = repeats ? parsed.GetValue(_suffixLen) : parsed.GetValue(_input) is { } input ? Size("input-len", input) : 1024,
            OutputLength = repeats ? parsed.GetValue(_prefixOutput) : parsed.GetValue(_output) is { } output ? Size("output-len", output) : null,
            RangeRatio = parsed.GetValue(_range) is >= 0 and < 1 and var ratio ? ratio : throw Bad("random-range-ratio", "--random-range-ratio must be in [0, 1)"),
            PrefixLength = repeats ? parsed.GetValue(_prefixLen) : parsed.GetValue(_prefix),
            PrefixCount = parsed.GetValue(_prefixes),
            Seed = parsed.GetValue(_seed),
        };
    }

    private JsonObject Extra(ParseResult parsed)
    {
        var extra = new JsonObject();
        foreach ((string name, Option<double?> option) in ((string, Option<double?>)[])
            [("temperature", _temperature), ("top_p", _topP), ("min_p", _minP), ("frequency_penalty", _frequency), ("presence_penalty", _presence), ("repetition_penalty", _repetition)])
        {
            if (parsed.GetValue(option) is { } value)
                extra[name] = value;
        }

        if (parsed.GetValue(_topK) is { } topK)
            extra["top_k"] = topK;
        if (parsed.GetValue(_logprobs) is { } logprobs)
            extra["logprobs"] = logprobs;
        if (parsed.GetValue(_extra) is not { } text)
            return extra;
        try
        {
            if (JsonNode.Parse(text) is not JsonObject own)
                throw new JsonException("an object is expected");
            foreach ((string key, JsonNode? value) in own)
                extra[key] = value?.DeepClone();
            return extra;
        }
        catch (JsonException failure)
        {
            throw Bad("extra-body", $"--extra-body: {failure.Message}");
        }
    }

    private static Func<int, double> MakeRamp(string strategy, double start, double end, int count)
    {
        if (strategy is not ("linear" or "exponential"))
            throw Bad("ramp-up-strategy", $"--ramp-up-strategy must be linear or exponential, got {strategy}");
        if (start < 0 || end <= start || (strategy == "exponential" && start <= 0))
            throw Bad("ramp-up-start-rps", $"a ramp goes from --ramp-up-start-rps (above 0 for exponential) up to --ramp-up-end-rps, got {start} and {end}");
        return ArrivalProcess.Ramp(strategy, Math.Max(start, 1e-6), end, count);
    }

    private static List<string> Metrics(string text)
    {
        var names = new List<string>(text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        foreach (string name in names)
        {
            if (Array.IndexOf(MetricNames, name) < 0)
                throw Bad("percentile-metrics", $"--percentile-metrics has no {name}; known are {string.Join(", ", MetricNames)}");
        }

        return names;
    }

    private static List<double> Percentiles(string text)
    {
        var percents = new List<double>();
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            percents.Add(double.TryParse(part, CultureInfo.InvariantCulture, out double percent) && percent is >= 0 and <= 100
                ? percent : throw Bad("metric-percentiles", $"--metric-percentiles must be numbers from 0 to 100, got {part}"));
        }

        return percents;
    }

    private static Dictionary<string, double>? Goodput(string[] limits)
    {
        if (limits.Length == 0)
            return null;
        var result = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string limit in limits)
        {
            string[] parts = limit.Split(':');
            if (parts.Length != 2 || parts[0] is not ("ttft" or "tpot" or "e2el") || !double.TryParse(parts[1], CultureInfo.InvariantCulture, out double value) || value < 0)
                throw Bad("goodput", $"--goodput takes ttft, tpot and e2el with milliseconds, such as ttft:500, got {limit}");
            result[parts[0]] = value;
        }

        return result;
    }

    private static List<KeyValuePair<string, string>> Headers(CliCall call, string[] given)
    {
        List<KeyValuePair<string, string>> headers = Pairs("header", given);
        if (call.Host.Environment.TryGetValue("OPENAI_API_KEY", out string? key) && key.Length > 0)
            headers.Add(new KeyValuePair<string, string>("Authorization", "Bearer " + key));
        return headers;
    }

    private static List<KeyValuePair<string, string>> Pairs(string flag, string[] given)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        foreach (string text in given)
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            pairs.Add(equals > 0 ? new KeyValuePair<string, string>(text[..equals], text[(equals + 1)..]) : throw Bad(flag, $"--{flag} takes K=V, got {text}"));
        }

        return pairs;
    }

    private static double Rate(string flag, string text)
    {
        if (text.Equals("inf", StringComparison.OrdinalIgnoreCase))
            return double.PositiveInfinity;
        return double.TryParse(text, CultureInfo.InvariantCulture, out double rate) && rate > 0 ? rate : throw Bad(flag, $"--{flag} must be a number above 0 or inf, got {text}");
    }

    private static int Size(string flag, string text) =>
        HumanInteger.TryParse(text, out long size, out string problem) && size is >= 1 and <= int.MaxValue
            ? (int)size : throw Bad(flag, $"--{flag}: {(problem.Length > 0 ? problem : $"must be at least 1, got {text}")}");

    private static Uri Address(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https" ? address : throw Bad("base-url", $"{text} is no address of a server");

    private static string? ExistingFolder(string? model) => model is not null && System.IO.Directory.Exists(model) ? model : null;

    private static QuireException Bad(string flag, string message) => Failures.Usage(ErrorCodes.InvalidOption, message, flag);

    private static Option<string> Text(string name, string standard, string help) =>
        new(name) { DefaultValueFactory = _ => standard, Description = $"{help} Default: {standard}." };

    private static Option<string?> Maybe(string name, string help, params string[] aliases)
    {
        var option = new Option<string?>(name) { Description = help };
        foreach (string alias in aliases)
            option.Aliases.Add(alias);
        return option;
    }

    private static Option<string[]> Many(string name, string help) => new(name) { Description = help, AllowMultipleArgumentsPerToken = true };
}
