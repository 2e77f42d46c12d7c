using System.Collections.Generic;

namespace Quire.Core.Requests;

/// <summary>A constraint on the text of an answer; exactly one of the kinds is set. JSON values are held as their JSON text.</summary>
public sealed record StructuredOutputs
{
    /// <summary>A JSON schema.</summary>
    public string? Json { get; init; }

    public string? Regex { get; init; }

    /// <summary>The answer is one of these texts.</summary>
    public IReadOnlyList<string>? Choice { get; init; }

    /// <summary>A grammar in EBNF (GBNF or Lark).</summary>
    public string? Grammar { get; init; }

    /// <summary>Any JSON object.</summary>
    public bool? JsonObject { get; init; }

    public string? StructuralTag { get; init; }

    public bool DisableAnyWhitespace { get; init; }

    public bool DisableAdditionalProperties { get; init; }

    public string? WhitespacePattern { get; init; }

    public Refusal? Validate()
    {
        var kinds = new List<string>(6);
        if (Json is not null)
            kinds.Add("json");
        if (Regex is not null)
            kinds.Add("regex");
        if (Choice is not null)
            kinds.Add("choice");
        if (Grammar is not null)
            kinds.Add("grammar");
        if (JsonObject is not null)
            kinds.Add("json_object");
        if (StructuralTag is not null)
            kinds.Add("structural_tag");
        return kinds.Count switch
        {
            1 => null,
            0 => new Refusal(RefusalCode.InvalidValue, "structured_outputs",
                "You must use one kind of structured outputs constraint but none are specified: {}"),
            _ => new Refusal(RefusalCode.InvalidValue, "structured_outputs",
                "You can only use one kind of structured outputs constraint but multiple are specified: " + string.Join(", ", kinds)),
        };
    }
}
