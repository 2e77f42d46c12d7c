using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Quire.Simulation.Decisions;

/// <summary>Reads and writes decision files as UTF-8. Files themselves are the caller's matter.</summary>
public static class DecisionJson
{
    /// <summary>Reads a list of cases (or a single case).</summary>
    /// <exception cref="JsonException">The text is not such a list; the message names the place, or the unknown name.</exception>
    public static IReadOnlyList<DecisionCase> Read(ReadOnlySpan<byte> utf8)
    {
        ReadOnlySpan<byte> start = utf8.TrimStart(" \t\r\n"u8);
        if (start.Length > 0 && start[0] == (byte)'{')
            return [JsonSerializer.Deserialize(utf8, DecisionJsonContext.Default.DecisionCase) ?? throw new JsonException("a case was expected, not null")];
        IReadOnlyList<DecisionCase> cases = JsonSerializer.Deserialize(utf8, DecisionJsonContext.Default.IReadOnlyListDecisionCase)
            ?? throw new JsonException("a list of cases was expected, not null");
        foreach (DecisionCase item in cases)
        {
            if (item is null)
                throw new JsonException("a case was expected, not null");
        }

        return cases;
    }

    /// <summary>The cases as one JSON array, without white space.</summary>
    public static byte[] Write(IReadOnlyList<DecisionCase> cases) =>
        JsonSerializer.SerializeToUtf8Bytes(cases, DecisionJsonContext.Default.IReadOnlyListDecisionCase);

    /// <summary>One case as a JSON object, without white space.</summary>
    public static byte[] Write(DecisionCase item) => JsonSerializer.SerializeToUtf8Bytes(item, DecisionJsonContext.Default.DecisionCase);

    /// <summary>One step as a JSON object, for messages that show a difference.</summary>
    public static string Text(DecisionStep step) => JsonSerializer.Serialize(step, DecisionJsonContext.Default.DecisionStep);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(IReadOnlyList<DecisionCase>))]
[JsonSerializable(typeof(DecisionCase))]
[JsonSerializable(typeof(DecisionStep))]
internal sealed partial class DecisionJsonContext : JsonSerializerContext;
