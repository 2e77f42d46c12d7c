using System;
using System.Collections.Generic;
using System.Text.Json;

namespace Quire.Engine.Options;

/// <summary>Where a value came from, weakest first.</summary>
public enum OptionOrigin
{
    /// <summary>Nobody set it.</summary>
    Default,

    /// <summary>Read from the model's files.</summary>
    Model,

    /// <summary>Follows from the device or the use.</summary>
    Device,

    /// <summary>Follows from other options.</summary>
    Derived,

    /// <summary>A <c>--config</c> file.</summary>
    ConfigFile,

    /// <summary>A <c>QUIRE_…</c> variable.</summary>
    Environment,

    /// <summary>The command line.</summary>
    CommandLine,

    /// <summary>A property of <see cref="EngineOptions"/> set by a program.</summary>
    Code,
}

/// <summary>One option that somebody set.</summary>
/// <param name="Option">Which.</param>
/// <param name="Value">Of the type that <see cref="OptionKind"/> names.</param>
/// <param name="Origin">By whom.</param>
/// <param name="Where">Exactly where, such as <c>--max-num-seqs</c> or <c>QUIRE_MAX_NUM_SEQS</c>.</param>
public sealed record OptionSetting(OptionDescriptor Option, object Value, OptionOrigin Origin, string Where);

/// <summary>
/// The options that were set, by name, each with its value and origin. Sources are added from the weakest to the strongest (file,
/// environment, command line); a later one replaces an earlier one, dotted keys are merged into what is there.
/// </summary>
public sealed class OptionSet : IEquatable<OptionSet>
{
    private readonly SortedDictionary<string, OptionSetting> _settings = new(StringComparer.Ordinal);
    private readonly List<string> _warnings = [];
    private readonly HashSet<string> _seenDottedKeys = new(StringComparer.Ordinal);

    /// <summary>What was set, in the order of names.</summary>
    public IEnumerable<OptionSetting> Settings => _settings.Values;

    /// <summary>One line for each retired name and each duplicate key that was met.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    public OptionSet Copy()
    {
        var copy = new OptionSet();
        foreach ((string name, OptionSetting setting) in _settings)
            copy._settings.Add(name, setting);
        copy._warnings.AddRange(_warnings);
        return copy;
    }

    /// <summary>The setting of an option, by its snake_case name; null when it was not set.</summary>
    public OptionSetting? Find(string name) => _settings.GetValueOrDefault(name);

    /// <summary>
    /// Adds one value as text. The name may be written with - or _, with <c>no-</c> before a flag, with dotted keys behind a JSON option,
    /// and may be one that vLLM has retired. A null text is a flag standing alone.
    /// </summary>
    /// <returns>Null, or what is wrong.</returns>
    public OptionProblem? Add(string name, string? text, OptionOrigin origin, string where)
    {
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        string head = OptionCatalogue.NormalizeName(dot < 0 ? name : name[..dot]);
        if (dot >= 0)
            return AddDotted(head, name[(dot + 1)..], text, origin, where);

        if (OptionCatalogue.Find(head) is { } option)
            return AddParsed(option, text ?? (option.Kind == OptionKind.Flag ? "true" : null), origin, where);
        if (head.StartsWith("no_", StringComparison.Ordinal) && OptionCatalogue.Find(head[3..]) is { Kind: OptionKind.Flag } negated)
            return AddNegated(negated, text, origin, where);
        if (RetiredOption.Find(head) is { } retired)
            return AddRetired(retired, text, origin, where);
        if (head.StartsWith("no_", StringComparison.Ordinal) && RetiredOption.Find(head[3..]) is { Kind: OptionKind.Flag } retiredFlag)
            return AddRetired(retiredFlag, "false", origin, where);
        return Unknown(head, where);
    }

    /// <summary>Adds a value that is a list already: repeated words of a command line, or a sequence of a file.</summary>
    public OptionProblem? AddList(string name, IReadOnlyList<string> items, OptionOrigin origin, string where)
    {
        OptionDescriptor? option = OptionCatalogue.Find(name);
        if (option is null || option.Kind != OptionKind.TextList)
            return Add(name, items.Count == 1 ? items[0] : string.Join(",", items), origin, where);
        if (items.Count == 1)
            return Add(name, items[0], origin, where);
        _settings[option.Name] = new OptionSetting(option, items, origin, where);
        return null;
    }

    /// <summary>Sets a value of the option's own type, or removes it with null.</summary>
    public void Put(string name, object? value, OptionOrigin origin = OptionOrigin.Code, string where = "code")
    {
        OptionDescriptor option = OptionCatalogue.Find(name) ?? throw new ArgumentException($"there is no option {name}", nameof(name));
        if (value is null)
            _settings.Remove(option.Name);
        else
            _settings[option.Name] = new OptionSetting(option, value, origin, where);
    }

    public bool? GetFlag(string name) => Find(name)?.Value as bool?;

    public long? GetInteger(string name) => Find(name)?.Value as long?;

    public double? GetNumber(string name) => Find(name)?.Value switch { double number => number, long number => number, _ => null };

    public string? GetText(string name) => Find(name)?.Value as string;

    public IReadOnlyList<string>? GetList(string name) => Find(name)?.Value as IReadOnlyList<string>;

    public JsonElement? GetJson(string name) => Find(name)?.Value as JsonElement?;

    public bool Equals(OptionSet? other)
    {
        if (other is null || other._settings.Count != _settings.Count)
            return false;
        foreach ((string name, OptionSetting setting) in _settings)
        {
            if (other.Find(name) is not { } theirs || OptionValue.Format(theirs.Value) != OptionValue.Format(setting.Value))
                return false;
        }

        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as OptionSet);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach ((string name, OptionSetting setting) in _settings)
        {
            hash.Add(name, StringComparer.Ordinal);
            hash.Add(OptionValue.Format(setting.Value), StringComparer.Ordinal);
        }

        return hash.ToHashCode();
    }

    /// <summary>The refusal of a name that does not exist, with the nearest that does.</summary>
    public static OptionProblem Unknown(string name, string where, IEnumerable<string>? more = null)
    {
        var names = new List<string>(OptionCatalogue.All.Count + 64);
        foreach (OptionDescriptor option in OptionCatalogue.All)
            names.Add(option.Name);
        if (more is not null)
            names.AddRange(more);
        string? nearest = NearestName.Find(name, names, out _);
        return new OptionProblem(ErrorCodes.UnknownOption, name, $"unknown option {where}; did you mean {Respell(nearest!, where)}?");
    }

    internal void Warn(string warning)
    {
        if (!_warnings.Contains(warning))
            _warnings.Add(warning);
    }

    private static string Respell(string name, string where)
    {
        if (where.StartsWith("--", StringComparison.Ordinal))
            return "--" + name.Replace('_', '-');
        return where.StartsWith("QUIRE_", StringComparison.Ordinal) ? "QUIRE_" + name.ToUpperInvariant() : name;
    }

    private OptionProblem? AddParsed(OptionDescriptor option, string? text, OptionOrigin origin, string where)
    {
        if (text is null)
            return new OptionProblem(ErrorCodes.InvalidOption, option.Name, $"{where} needs a value: {option.Help}");
        if (option.Kind is not OptionKind.Flag && IsNone(text) && !Contains(option.Choices, "none"))
        {
            _settings.Remove(option.Name);
            return null;
        }

        if (!OptionValue.TryParse(option, text, out object value, out string problem))
            return new OptionProblem(ErrorCodes.InvalidOption, option.Name, problem);
        _settings[option.Name] = new OptionSetting(option, value, origin, where);
        return null;
    }

    private OptionProblem? AddNegated(OptionDescriptor option, string? text, OptionOrigin origin, string where)
    {
        bool negation = true;
        if (text is not null && !OptionValue.TryParseFlag(text, out negation))
            return new OptionProblem(ErrorCodes.InvalidOption, option.Name, $"{where} must be true or false, got {text}");
        _settings[option.Name] = new OptionSetting(option, !negation, origin, where);
        return null;
    }

    private OptionProblem? AddDotted(string head, string path, string? text, OptionOrigin origin, string where)
    {
        if (OptionCatalogue.Find(head) is not { } option)
            return Unknown(head, where);
        if (option.Kind != OptionKind.Json)
            return new OptionProblem(ErrorCodes.InvalidOption, head, $"{where}: {head} takes no dotted keys; its value is a {option.Kind.ToString().ToLowerInvariant()}");
        if (text is null)
            return new OptionProblem(ErrorCodes.InvalidOption, head, $"{where} needs a value");
        bool append = path.EndsWith('+');
        if (!append && !_seenDottedKeys.Add($"{origin}:{head}.{path}"))
            Warn($"Found duplicate keys {where}; the last one counts");
        JsonElement current = Find(option.Name)?.Value is JsonElement json ? json : default;
        if (!JsonPath.TrySet(current, append ? path[..^1] : path, append, text, out JsonElement merged, out string problem))
            return new OptionProblem(ErrorCodes.InvalidOption, head, $"{where}: {problem}");
        _settings[option.Name] = new OptionSetting(option, merged, origin, where);
        return null;
    }

    private OptionProblem? AddRetired(RetiredOption retired, string? text, OptionOrigin origin, string where)
    {
        text ??= retired.Kind == OptionKind.Flag ? "true" : null;
        if (text is null)
            return new OptionProblem(ErrorCodes.InvalidOption, retired.Name, $"{where} needs a value");
        if (IsNone(text))
            return null;
        var shape = new OptionDescriptor
        {
            Name = retired.Name,
            Group = OptionGroup.Model,
            Kind = retired.Kind,
            Default = "none",
            Help = retired.Note,
            Minimum = retired.Minimum,
        };
        if (!OptionValue.TryParse(shape, text, out object value, out string problem))
            return new OptionProblem(ErrorCodes.InvalidOption, retired.Name, problem);
        string shown = OptionValue.Format(value);
        bool neutral = Contains(retired.Neutral, shown);
        if (retired.MustBeNeutral && !neutral)
            return new OptionProblem(ErrorCodes.NotAvailable, retired.Name, $"{retired.Name} {shown} is not available: {retired.Note}");
        Warn($"deprecated argument '{retired.Name}': {retired.Note}");
        if (neutral)
            return null;
        foreach ((string target, string? replacement) in retired.Targets(shown))
        {
            if (Add(target, replacement ?? text, origin, where) is { } wrong)
                return wrong;
        }

        return null;
    }

    private static bool IsNone(string text) =>
        text.Trim().Equals("none", StringComparison.OrdinalIgnoreCase) || text.Trim().Equals("null", StringComparison.OrdinalIgnoreCase);

    private static bool Contains(IReadOnlyList<string> items, string text)
    {
        foreach (string item in items)
        {
            if (string.Equals(item, text, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
