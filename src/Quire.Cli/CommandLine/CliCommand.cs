using System;
using System.CommandLine;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.CommandLine;

/// <summary>The tables that a command takes options from, beside its own.</summary>
[Flags]
internal enum OptionTables
{
    None = 0,

    /// <summary>Engine options of <see cref="OptionCatalogue"/>.</summary>
    Engine = 1,

    /// <summary>Server options of <see cref="OptionCatalogue"/>.</summary>
    Server = 2,

    /// <summary><see cref="SamplingFlags"/>.</summary>
    Sampling = 4,
}

/// <summary>One command. It is built only when it is the one that was asked for.</summary>
internal abstract class CliCommand
{
    protected CliCommand(string name, string description)
    {
        Title = name;
        Definition = new Command(name.Replace(' ', '-'), description) { Config, Verbose, Json };
    }

    /// <summary>The words that name it, such as <c>bench serve</c>.</summary>
    public string Title { get; }

    /// <summary>The command's own arguments and options, and its place in help.</summary>
    public Command Definition { get; }

    public Option<string?> Config { get; } = new("--config") { Description = "YAML file with options by their names.", HelpName = "FILE" };

    public Option<bool> Verbose { get; } = new("--verbose") { Description = "Log more; with an error, print where it happened." };

    public Option<bool> Json { get; } = new("--json") { Description = "Machine-readable output, no colour." };

    public virtual OptionTables Tables => OptionTables.None;

    /// <summary>Whether options of features that this version lacks may be set, since the command only calculates.</summary>
    public virtual bool OnlyCalculates => false;

    /// <summary>Whether it starts an engine, which then logs the warnings about options itself.</summary>
    public virtual bool StartsEngine => false;

    /// <returns>The exit status.</returns>
    public abstract Task<int> RunAsync(CliCall call, CancellationToken cancellationToken);
}

/// <summary>One invocation of a command: what was given, and where to write.</summary>
internal sealed class CliCall
{
    public required CliHost Host { get; init; }

    /// <summary>The command's own options and arguments.</summary>
    public required ParseResult Parsed { get; init; }

    /// <summary>Engine and server options of the file, the environment and the command line.</summary>
    public required OptionSet Options { get; init; }

    /// <summary>Sampling options by their SamplingParams names; empty when none were given.</summary>
    public required JsonObject Sampling { get; init; }

    public required bool Verbose { get; init; }

    public required bool Json { get; init; }

    public EngineOptions EngineOptions => new(Options);
}
