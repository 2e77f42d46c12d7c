using System;
using System.Collections.Generic;
using System.CommandLine;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.CommandLine;

/// <summary>
/// Takes the catalogue's options and the sampling options out of a command line and leaves the rest to System.CommandLine. It exists
/// because vLLM's rules cannot be said there: _ and - alike, --no-x, dotted keys of any name, -O2, retired names, the nearest name in an
/// error. It also keeps start-up short, since some two hundred options never become objects of the parser.
/// </summary>
internal sealed class ArgumentSplitter
{
    private readonly Dictionary<string, Option> _own = new(StringComparer.Ordinal);
    private readonly OptionTables _tables;
    private readonly OptionSet _options;
    private readonly SamplingFlags _sampling;
    private readonly List<string> _rest = [];
    private IReadOnlyList<string> _args = [];
    private int _next;

    public ArgumentSplitter(CliCommand command, OptionSet options, SamplingFlags sampling)
    {
        _tables = command.Tables;
        _options = options;
        _sampling = sampling;
        foreach (Option option in command.Definition.Options)
        {
            _own[option.Name] = option;
            foreach (string alias in option.Aliases)
                _own[alias] = option;
        }
    }

    /// <summary>The word behind <c>--help=</c>, empty for a plain <c>--help</c>; null when no help was asked for.</summary>
    public string? Help { get; private set; }

    /// <summary>Sorts the arguments; what the command itself has to parse is returned.</summary>
    /// <exception cref="QuireException">An unknown name or a bad value.</exception>
    public IReadOnlyList<string> Split(IReadOnlyList<string> args)
    {
        _args = args;
        while (_next < args.Count)
        {
            string token = args[_next++];
            if (token == "--")
            {
                _rest.Add(token);
                while (_next < args.Count)
                    _rest.Add(args[_next++]);
            }
            else if (token.StartsWith("--", StringComparison.Ordinal))
            {
                TakeLong(token);
            }
            else if (token.Length > 1 && token[0] == '-' && !LooksLikeNumber(token))
            {
                TakeShort(token);
            }
            else
            {
                _rest.Add(token);
            }
        }

        return _rest;
    }

    private static bool LooksLikeNumber(string token) => token.Length > 1 && token[0] == '-' && (char.IsAsciiDigit(token[1]) || token[1] == '.');

    private static bool IsOption(string token) => token.Length > 1 && token[0] == '-' && !LooksLikeNumber(token);

    private void TakeLong(string token)
    {
        int equals = token.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? token : token[..equals];
        string? attached = equals < 0 ? null : token[(equals + 1)..];
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        string head = dot < 0 ? name : name[..dot];
        string flag = "--" + OptionCatalogue.NormalizeName(head).Replace('_', '-') + (dot < 0 ? "" : name[dot..]);
        if (flag == "--help")
        {
            Help = attached ?? "";
            return;
        }

        if (_own.TryGetValue(flag, out Option? own))
            TakeOwn(own, flag, attached, negated: false);
        else if (flag.StartsWith("--no-", StringComparison.Ordinal) && _own.TryGetValue("--" + flag[5..], out own) && own.ValueType == typeof(bool))
            TakeOwn(own, "--" + flag[5..], attached, negated: true);
        else if (_tables.HasFlag(OptionTables.Sampling) && SamplingFlags.Knows(flag))
            TakeSampling(flag, attached);
        else
            TakeCatalogue(flag, flag, attached);
    }

    private void TakeShort(string token)
    {
        if (token is "-h" or "-?")
        {
            Help = "";
            return;
        }

        int equals = token.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? token : token[..equals];
        string? attached = equals < 0 ? null : token[(equals + 1)..];
        if (_own.TryGetValue(name, out Option? own))
        {
            TakeOwn(own, name, attached, negated: false);
            return;
        }

        if (name.Length == 3 && name.StartsWith("-O", StringComparison.Ordinal) && char.IsAsciiDigit(name[2]))
            (name, attached) = ("-O", name[2..]);
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        OptionDescriptor? option = OptionCatalogue.FindAlias(dot < 0 ? name : name[..dot]);
        if (option is null)
            throw Failures.Usage(ErrorCodes.UnknownOption, $"unknown option {token}; --help=all lists every option and its short form", token);
        TakeCatalogue(option.Flag + (dot < 0 ? "" : name[dot..]), name, attached);
    }

    private void TakeOwn(Option option, string flag, string? attached, bool negated)
    {
        if (option.ValueType == typeof(bool))
        {
            bool value = true;
            if (attached is not null && !OptionValue.TryParseFlag(attached, out value))
                throw Failures.Usage(ErrorCodes.InvalidOption, $"{flag} must be true or false, got {attached}", flag);
            _rest.Add($"{flag}:{(value != negated ? "true" : "false")}");
            return;
        }

        if (attached is not null)
        {
            _rest.Add(flag);
            _rest.Add(attached);
            return;
        }

        _rest.Add(flag);
        bool many = option.AllowMultipleArgumentsPerToken;
        do
        {
            if (_next >= _args.Count || IsOption(_args[_next]))
                throw Failures.Usage(ErrorCodes.InvalidOption, $"{flag} needs a value: {option.Description}", flag);
            _rest.Add(_args[_next++]);
        }
        while (many && _next < _args.Count && !IsOption(_args[_next]));
    }

    private void TakeSampling(string flag, string? attached)
    {
        if (SamplingFlags.IsFlag(flag))
        {
            Check(_sampling.Add(flag, [attached ?? TakeTruthValue() ?? "true"]));
            return;
        }

        var values = new List<string>();
        if (attached is not null)
            values.Add(attached);
        else
            TakeValues(flag, SamplingFlags.IsList(flag), values);
        Check(_sampling.Add(flag, values));

        // The engine has an option of the same name (seed): it gets the value too, so that the whole run repeats.
        if (OptionCatalogue.Find(flag) is not null && _tables.HasFlag(OptionTables.Engine))
            Check(_options.Add(flag, values[0], OptionOrigin.CommandLine, flag));
    }

    private void TakeCatalogue(string name, string shown, string? attached)
    {
        string head = OptionCatalogue.NormalizeName(name.Split('.')[0]);
        OptionDescriptor? option = OptionCatalogue.Find(head);
        bool negated = option is null && head.StartsWith("no_", StringComparison.Ordinal) && IsKnownFlag(head[3..]);
        if (option is null && negated)
            option = OptionCatalogue.Find(head[3..]);
        RetiredOption? retired = option is null ? RetiredOption.Find(negated ? head[3..] : head) : null;
        if (option is null && retired is null)
            throw Unknown(head, shown);
        RequireScope(option, shown);

        bool isFlag = negated || (option?.Kind ?? retired!.Kind) == OptionKind.Flag;
        if (isFlag && name.IndexOf('.', StringComparison.Ordinal) < 0)
        {
            Check(_options.Add(name, attached ?? TakeTruthValue(), OptionOrigin.CommandLine, shown));
            return;
        }

        if (attached is not null)
        {
            Check(_options.Add(name, attached, OptionOrigin.CommandLine, shown));
            return;
        }

        var values = new List<string>();
        TakeValues(shown, option?.Kind == OptionKind.TextList, values);
        Check(values.Count == 1
            ? _options.Add(name, values[0], OptionOrigin.CommandLine, shown)
            : _options.AddList(name, values, OptionOrigin.CommandLine, shown));
    }

    private void TakeValues(string flag, bool many, List<string> values)
    {
        do
        {
            if (_next >= _args.Count || IsOption(_args[_next]))
                throw Failures.Usage(ErrorCodes.InvalidOption, $"{flag} needs a value; write {flag}=VALUE when it begins with a dash", flag);
            values.Add(_args[_next++]);
        }
        while (many && _next < _args.Count && !IsOption(_args[_next]));
    }

    /// <summary>Older versions of vLLM wrote <c>--enable-chunked-prefill True</c>.</summary>
    private string? TakeTruthValue() =>
        _next < _args.Count && (_args[_next].Equals("true", StringComparison.OrdinalIgnoreCase) || _args[_next].Equals("false", StringComparison.OrdinalIgnoreCase))
            ? _args[_next++] : null;

    private static bool IsKnownFlag(string name) =>
        OptionCatalogue.Find(name)?.Kind == OptionKind.Flag || RetiredOption.Find(name)?.Kind == OptionKind.Flag;

    private void RequireScope(OptionDescriptor? option, string shown)
    {
        OptionTables needed = option?.Scope == OptionScope.Server ? OptionTables.Server : OptionTables.Engine;
        if (_tables.HasFlag(needed) || (option is null && _tables != OptionTables.None))
            return;
        throw Failures.Usage(ErrorCodes.UnknownOption, needed == OptionTables.Server
            ? $"{shown} is an option of quire serve and does nothing here; leave it out"
            : $"{shown} does not apply to this command; --help lists what does", option?.Name);
    }

    private QuireException Unknown(string head, string shown)
    {
        var names = new List<string>();
        foreach (string own in _own.Keys)
        {
            if (own.StartsWith("--", StringComparison.Ordinal))
                names.Add(OptionCatalogue.NormalizeName(own));
        }

        if (_tables.HasFlag(OptionTables.Sampling))
            names.AddRange(SamplingFlags.Names);
        foreach (OptionDescriptor option in OptionCatalogue.All)
        {
            if (_tables.HasFlag(option.Scope == OptionScope.Server ? OptionTables.Server : OptionTables.Engine))
                names.Add(option.Name);
        }

        string? nearest = NearestName.Find(head, names, out _);
        return Failures.Usage(ErrorCodes.UnknownOption, $"unknown option {shown}; did you mean --{nearest?.Replace('_', '-')}?", head);
    }

    private static void Check(OptionProblem? problem)
    {
        if (problem is not null)
            throw Failures.From(problem);
    }
}
