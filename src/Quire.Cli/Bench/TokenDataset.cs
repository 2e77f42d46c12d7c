using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Quire.Cli.CommandLine;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Tokenization;

namespace Quire.Cli.Bench;

/// <summary>One request of a benchmark.</summary>
/// <param name="Prompt">Text; null when only tokens matter.</param>
/// <param name="PromptTokenIds">Tokens; null when the text was not tokenised here.</param>
/// <param name="PromptLength">Tokens of the prompt.</param>
/// <param name="OutputLength">Tokens to ask for.</param>
internal sealed record BenchRequest(string? Prompt, int[]? PromptTokenIds, int PromptLength, int OutputLength);

/// <summary>What the flags say about a data set.</summary>
internal sealed record DatasetOptions
{
    public required string Name { get; init; }

    public string? Path { get; init; }

    public required int Count { get; init; }

    public required int InputLength { get; init; }

    /// <summary>Null where the data set has answers of its own length.</summary>
    public int? OutputLength { get; init; }

    /// <summary>Lengths vary uniformly within this share of themselves.</summary>
    public double RangeRatio { get; init; }

    /// <summary>Tokens that all prompts share.</summary>
    public int PrefixLength { get; init; }

    public int PrefixCount { get; init; } = 1;

    public required int Seed { get; init; }
}

/// <summary>Makes the requests of a benchmark; the same options give the same requests in every process.</summary>
internal static class TokenDataset
{
    public static List<BenchRequest> Create(DatasetOptions options, ITokenizer? tokenizer, int vocabularySize) => options.Name switch
    {
        "random" => Random(options, tokenizer, vocabularySize),
        "prefix_repetition" => PrefixRepetition(options, tokenizer, vocabularySize),
        "sharegpt" => ShareGpt(options, Need(tokenizer, options.Name)),
        "custom" => Custom(options, Need(tokenizer, options.Name)),
        _ => throw Failures.Usage(ErrorCodes.NotAvailable, $"the data set {options.Name} is not available; use random, prefix_repetition, sharegpt or custom", "dataset_name"),
    };

    private static ITokenizer Need(ITokenizer? tokenizer, string name) =>
        tokenizer ?? throw Failures.Usage(ErrorCodes.ConflictingOptions, $"the data set {name} needs a tokenizer", "tokenizer");

    private static List<BenchRequest> Random(DatasetOptions options, ITokenizer? tokenizer, int vocabularySize)
    {
        var random = new Random(options.Seed);
        int[] ordinary = OrdinaryTokens(tokenizer, vocabularySize);
        int[] prefix = Draw(random, ordinary, options.PrefixLength);
        var requests = new List<BenchRequest>(options.Count);
        for (int i = 0; i < options.Count; i++)
        {
            int input = Vary(random, options.InputLength, options.RangeRatio);
            int output = Vary(random, options.OutputLength ?? 128, options.RangeRatio);
            requests.Add(Make(tokenizer, [.. prefix, .. Draw(random, ordinary, input)], output, random, ordinary));
        }

        return requests;
    }

    private static List<BenchRequest> PrefixRepetition(DatasetOptions options, ITokenizer? tokenizer, int vocabularySize)
    {
        var random = new Random(options.Seed);
        int[] ordinary = OrdinaryTokens(tokenizer, vocabularySize);
        int[][] prefixes = new int[Math.Max(1, options.PrefixCount)][];
        for (int i = 0; i < prefixes.Length; i++)
            prefixes[i] = Draw(random, ordinary, options.PrefixLength);
        var requests = new List<BenchRequest>(options.Count);
        for (int i = 0; i < options.Count; i++)
            requests.Add(Make(tokenizer, [.. prefixes[i % prefixes.Length], .. Draw(random, ordinary, options.InputLength)], options.OutputLength ?? 128, random, ordinary));
        return requests;
    }

    /// <summary>
    /// Text that encodes to exactly as many tokens: decoded tokens may merge when encoded again, so the text is encoded, cut or filled up
    /// until it is stable.
    /// </summary>
    private static BenchRequest Make(ITokenizer? tokenizer, int[] tokens, int outputLength, Random random, int[] ordinary)
    {
        if (tokenizer is null)
            return new BenchRequest(null, tokens, tokens.Length, outputLength);
        int wanted = tokens.Length;
        string text = tokenizer.Decode(tokens, skipSpecialTokens: false);
        for (int round = 0; round < 10; round++)
        {
            int[] again = tokenizer.Encode(text, addSpecialTokens: false);
            if (again.Length == wanted)
                return new BenchRequest(text, again, wanted, outputLength);
            int[] next = again.Length > wanted ? again[..wanted] : [.. again, .. Draw(random, ordinary, wanted - again.Length)];
            text = tokenizer.Decode(next, skipSpecialTokens: false);
        }

        int[] last = tokenizer.Encode(text, addSpecialTokens: false);
        return new BenchRequest(text, last, last.Length, outputLength);
    }

    private static int[] OrdinaryTokens(ITokenizer? tokenizer, int vocabularySize)
    {
        var ids = new List<int>(vocabularySize);
        for (int id = 0; id < vocabularySize; id++)
        {
            if (tokenizer is null || IsOrdinary(tokenizer, id))
                ids.Add(id);
        }

        return ids.ToArray();
    }

    /// <summary>A token whose text is whole characters and comes back as that token.</summary>
    private static bool IsOrdinary(ITokenizer tokenizer, int id) =>
        !tokenizer.IsSpecial(id) && tokenizer.GetTokenBytes(id).Length > 0
        && tokenizer.Encode(tokenizer.Decode([id], skipSpecialTokens: false), addSpecialTokens: false) is [var again] && again == id;

    private static int[] Draw(Random random, int[] ordinary, int count)
    {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++)
            tokens[i] = ordinary[random.Next(ordinary.Length)];
        return tokens;
    }

    private static int Vary(Random random, int length, double ratio) =>
        ratio <= 0 ? Math.Max(1, length) : Math.Max(1, random.Next((int)Math.Floor(length * (1 - ratio)), (int)Math.Ceiling(length * (1 + ratio)) + 1));

    /// <summary>The first two turns of each conversation, with vLLM's limits on their lengths.</summary>
    private static List<BenchRequest> ShareGpt(DatasetOptions options, ITokenizer tokenizer)
    {
        using JsonDocument document = ReadJson(options.Path);
        var requests = new List<BenchRequest>();
        foreach (JsonElement entry in document.RootElement.EnumerateArray())
        {
            if (requests.Count == options.Count)
                break;
            if (!entry.TryGetProperty("conversations", out JsonElement turns) || turns.GetArrayLength() < 2)
                continue;
            string prompt = turns[0].GetProperty("value").GetString() ?? "";
            int[] tokens = tokenizer.Encode(prompt, addSpecialTokens: true);
            int output = options.OutputLength ?? tokenizer.Encode(turns[1].GetProperty("value").GetString() ?? "", addSpecialTokens: true).Length;
            if (tokens.Length >= 4 && output >= 4 && tokens.Length <= 1024 && tokens.Length + output <= 2048)
                requests.Add(new BenchRequest(prompt, tokens, tokens.Length, output));
        }

        return Fill(requests, options);
    }

    private static List<BenchRequest> Custom(DatasetOptions options, ITokenizer tokenizer)
    {
        if (options.Path is null)
            throw Failures.Usage(ErrorCodes.ConflictingOptions, "the data set custom needs --dataset-path: JSON Lines with prompt", "dataset_path");
        var requests = new List<BenchRequest>();
        using var reader = new StreamReader(OpenFile(options.Path));
        foreach (JsonLine line in JsonLines.Read(reader))
        {
            if (requests.Count == options.Count)
                break;
            JsonElement row = JsonLines.ParseObject(line);
            string prompt = row.TryGetProperty("prompt", out JsonElement text) && text.ValueKind == JsonValueKind.String
                ? text.GetString()! : throw Failures.Usage(ErrorCodes.UnreadableFile, $"{options.Path}, line {line.Number}: a row needs prompt, a text", "dataset_path");
            int[] tokens = tokenizer.Encode(prompt, addSpecialTokens: true);
            int output = row.TryGetProperty("output_tokens", out JsonElement own) && own.TryGetInt32(out int count) ? count : options.OutputLength ?? 256;
            requests.Add(new BenchRequest(prompt, tokens, tokens.Length, output));
        }

        return Fill(requests, options);
    }

    /// <summary>Too few requests are used over again, as vLLM oversamples.</summary>
    private static List<BenchRequest> Fill(List<BenchRequest> requests, DatasetOptions options)
    {
        if (requests.Count == 0)
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"{options.Path} holds no usable request", "dataset_path");
        for (int i = 0; requests.Count < options.Count; i++)
            requests.Add(requests[i]);
        return requests;
    }

    private static JsonDocument ReadJson(string? path)
    {
        if (path is null)
            throw Failures.Usage(ErrorCodes.ConflictingOptions, "this data set needs --dataset-path", "dataset_path");
        try
        {
            using FileStream file = OpenFile(path);
            var document = JsonDocument.Parse(file);
            return document.RootElement.ValueKind == JsonValueKind.Array ? document : throw new JsonException("a list is expected");
        }
        catch (JsonException failure)
        {
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path}: {failure.Message}", "dataset_path");
        }
    }

    private static FileStream OpenFile(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failures.Unreadable(path, failure);
        }
    }
}
