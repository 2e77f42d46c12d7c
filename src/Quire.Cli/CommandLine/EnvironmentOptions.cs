using System;
using System.Collections.Generic;
using System.IO;
using Quire.Engine.Options;

namespace Quire.Cli.CommandLine;

/// <summary>Reads <c>QUIRE_MAX_NUM_SEQS</c> and its like.</summary>
internal static class EnvironmentOptions
{
    private const string Prefix = "QUIRE_";

    /// <summary>
    /// Adds what is set. A name close to an option's is taken for a mistake and refused; any other unknown name may belong to something
    /// else, so it only gets a warning.
    /// </summary>
    public static void Load(IReadOnlyDictionary<string, string> environment, OptionSet options, CliHost host)
    {
        AddHubCache(environment, options);
        var names = new List<string>();
        foreach (string name in environment.Keys)
        {
            if (name.StartsWith(Prefix, StringComparison.Ordinal) && name.Length > Prefix.Length)
                names.Add(name);
        }

        names.Sort(StringComparer.Ordinal);
        foreach (string variable in names)
        {
            string name = OptionCatalogue.NormalizeName(variable[Prefix.Length..]);
            bool known = OptionCatalogue.Find(name) is not null || RetiredOption.Find(name) is not null
                || (name.StartsWith("no_", StringComparison.Ordinal) && OptionCatalogue.Find(name[3..])?.Kind == OptionKind.Flag);
            if (!known)
            {
                Refuse(name, variable, host);
                continue;
            }

            if (options.Add(name, environment[variable], OptionOrigin.Environment, variable) is { } problem)
                throw Failures.From(problem with { Message = $"{variable}: {problem.Message}" });
        }
    }

    /// <summary>Where Hugging Face's tools keep their cache, by the variables that they read, the first that is set.</summary>
    private static void AddHubCache(IReadOnlyDictionary<string, string> environment, OptionSet options)
    {
        foreach ((string variable, string below) in (ReadOnlySpan<(string, string)>)
            [("HF_HUB_CACHE", ""), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", Path.Combine("huggingface", "hub"))])
        {
            if (environment.GetValueOrDefault(variable) is { Length: > 0 } folder && options.GetText("download_dir") is null)
            {
                options.Put("download_dir", Path.Combine(folder, below), OptionOrigin.Environment, variable);
            }
        }
    }

    private static void Refuse(string name, string variable, CliHost host)
    {
        var candidates = new List<string>();
        foreach (OptionDescriptor option in OptionCatalogue.All)
            candidates.Add(option.Name);
        string? nearest = NearestName.Find(name, candidates, out int distance);
        if (nearest is not null && NearestName.IsClose(name, distance))
            throw Failures.From(OptionSet.Unknown(name, variable));
        host.Warn($"the environment variable {variable} names no option and is ignored");
    }
}
