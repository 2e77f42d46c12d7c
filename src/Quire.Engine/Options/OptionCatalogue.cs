using System;
using System.Collections.Generic;

namespace Quire.Engine.Options;

/// <summary>
/// Every option of the engine and the server: one table that parsing, checks, help, <c>docs/options.md</c> and <c>quire explain</c> read.
/// Names, defaults and ranges are vLLM's; what differs says so in its help.
/// </summary>
public static partial class OptionCatalogue
{
    /// <summary>All options, group by group.</summary>
    public static IReadOnlyList<OptionDescriptor> All { get; } =
    [
        .. Model, .. Memory, .. Scheduler, .. Loading, .. Parallel, .. Lora, .. Speculation, .. Compilation, .. Structured,
        .. Server, .. ServerChat, .. ServerLogging, .. ServerSecurity,
    ];

    private static readonly Dictionary<string, OptionDescriptor> ByName = IndexByName();
    private static readonly Dictionary<string, OptionDescriptor> ByAlias = IndexByAlias();

    /// <summary>The option of this name, in any spelling that <see cref="NormalizeName"/> understands; null when there is none.</summary>
    public static OptionDescriptor? Find(string name) => ByName.GetValueOrDefault(NormalizeName(name));

    /// <summary>The option that a short flag such as <c>-tp</c> stands for; null when there is none.</summary>
    public static OptionDescriptor? FindAlias(string alias) => ByAlias.GetValueOrDefault(alias);

    /// <summary><c>--Max-Num-Seqs</c>, <c>max_num_seqs</c> and <c>max-num-seqs</c> are one name.</summary>
    public static string NormalizeName(string name) => name.TrimStart('-').Replace('-', '_').ToLowerInvariant();

    /// <summary>Heading of a group.</summary>
    public static string Title(OptionGroup group) => group switch
    {
        OptionGroup.Model => "Model and tokenizer",
        OptionGroup.Memory => "KV cache and memory",
        OptionGroup.Scheduler => "Scheduler",
        OptionGroup.Loading => "Loading and quantization",
        OptionGroup.Parallel => "Parallelism",
        OptionGroup.Quantization => "Quantization",
        OptionGroup.Lora => "LoRA",
        OptionGroup.Speculation => "Speculative decoding",
        OptionGroup.Compilation => "Execution",
        OptionGroup.StructuredOutputs => "Structured outputs",
        OptionGroup.Server => "Server",
        OptionGroup.ServerChat => "Server: chat, tools, reasoning",
        OptionGroup.ServerLogging => "Server: logging and metrics",
        OptionGroup.ServerSecurity => "Server: TLS, CORS, limits",
        _ => throw new ArgumentOutOfRangeException(nameof(group), group, "unknown group"),
    };

    /// <summary>The word that <c>--help=WORD</c> takes for a group.</summary>
    public static string Keyword(OptionGroup group) => group switch
    {
        OptionGroup.StructuredOutputs => "structured-outputs",
        OptionGroup.ServerChat => "server-chat",
        OptionGroup.ServerLogging => "server-logging",
        OptionGroup.ServerSecurity => "server-security",
        _ => group.ToString().ToLowerInvariant(),
    };

    private static Dictionary<string, OptionDescriptor> IndexByName()
    {
        var index = new Dictionary<string, OptionDescriptor>(All.Count, StringComparer.Ordinal);
        foreach (OptionDescriptor option in All)
            index.Add(option.Name, option);
        return index;
    }

    private static Dictionary<string, OptionDescriptor> IndexByAlias()
    {
        var index = new Dictionary<string, OptionDescriptor>(StringComparer.Ordinal);
        foreach (OptionDescriptor option in All)
        {
            foreach (string alias in option.Aliases)
                index.Add(alias, option);
        }

        return index;
    }

    private static OptionDescriptor Flag(OptionGroup group, string name, string defaultText, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Flag, Default = defaultText, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor Integer(OptionGroup group, string name, string defaultText, double? minimum, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Integer, Default = defaultText, Minimum = minimum, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor Size(OptionGroup group, string name, string defaultText, double? minimum, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Size, Default = defaultText, Minimum = minimum, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor Number(OptionGroup group, string name, string defaultText, double? minimum, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Number, Default = defaultText, Minimum = minimum, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor Text(OptionGroup group, string name, string defaultText, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Text, Default = defaultText, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor List(OptionGroup group, string name, string defaultText, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.TextList, Default = defaultText, Help = help, Scope = ScopeOf(group) };

    private static OptionDescriptor Json(OptionGroup group, string name, string defaultText, string help) =>
        new() { Name = name, Group = group, Kind = OptionKind.Json, Default = defaultText, Help = help, Neutral = ["{}", "null"], Scope = ScopeOf(group) };

    private static OptionDescriptor Choice(OptionGroup group, string name, string defaultText, string[] choices, string help, string[]? refused = null) =>
        new()
        {
            Name = name,
            Group = group,
            Kind = OptionKind.Choice,
            Default = defaultText,
            Choices = choices,
            RefusedChoices = refused ?? [],
            Help = help,
            Scope = ScopeOf(group),
        };

    private static OptionDescriptor Hint(this OptionDescriptor option, string note) => option with { Effect = OptionEffect.Hint, Note = note };

    private static OptionDescriptor Refuse(this OptionDescriptor option, string note) => option with { Effect = OptionEffect.Refused, Note = note };

    private static OptionScope ScopeOf(OptionGroup group) => group >= OptionGroup.Server ? OptionScope.Server : OptionScope.Engine;
}
