using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.Bench;
using Quire.Cli.CommandLine;
using Quire.Cli.Commands;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli;

/// <summary>Finds the command, builds that one alone, reads its options from file, environment and command line, and runs it.</summary>
internal static class CommandRouter
{
    /// <summary>Every command, with what help says of it.</summary>
    public static IReadOnlyList<(string Name, string Summary, Func<CliCommand> Create)> Commands { get; } =
    [
        ("serve", "Serve a model over an OpenAI-compatible HTTP API.", () => new ServeCommand()),
        ("chat", "Talk with a model, or ask it one question.", () => new ChatCommand()),
        ("generate", "Generate from one prompt, or from every row of a file.", () => new GenerateCommand()),
        ("plan", "The memory plan of a model, without loading it.", () => new PlanCommand()),
        ("explain", "Every option with its value, where it came from and why.", () => new ExplainCommand()),
        ("bench latency", "The time of one batch.", () => new BenchLatencyCommand()),
        ("bench throughput", "Offline throughput.", () => new BenchThroughputCommand()),
        ("bench serve", "A running OpenAI-compatible server under load.", () => new BenchServeCommand()),
        ("bench kernels", "The CPU's kernels beside the machine's limits.", () => new BenchKernelsCommand()),
        ("bench startup", "The time to the first token after a start.", () => new BenchStartupCommand()),
        ("bench accuracy", "Exact answers to the questions of an exam file.", () => new BenchAccuracyCommand()),
        ("convert", "Write a model folder as one GGUF file.", () => new ConvertCommand()),
        ("tokenize", "Text to token ids and back, without weights.", () => new TokenizeCommand()),
        ("render", "Conversations to prompts by the chat template, without weights.", () => new RenderCommand()),
        ("sample", "The distribution that the sampler draws from, for rows of logits.", () => new SampleCommand()),
        ("simulate", "Run the scheduler over recorded workloads.", () => new SimulateCommand()),
    ];
    /// <summary>The version as the assembly carries it, with the commit when the build knew it.</summary>
    public static string Version =>
        typeof(CommandRouter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    /// <returns>0 done, 1 failed while running, 2 wrong usage or configuration, 130 interrupted.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, CliHost host, CancellationToken cancellationToken)
    {
        bool verbose = Contains(args, "--verbose");
        try
        {
            int status = await DispatchAsync(args, host, cancellationToken).ConfigureAwait(false);
            await host.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            return status;
        }
        catch (Exception failure) when (failure is not IOException { HResult: BrokenPipe })
        {
            await host.Out.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            return Failures.Report(failure, host.Error, verbose);
        }
    }

    private const int BrokenPipe = 32;

    private static async Task<int> DispatchAsync(IReadOnlyList<string> args, CliHost host, CancellationToken cancellationToken)
    {
        if (args.Count == 0 || args[0] is "--help" or "-h" or "-?" or "help" || args[0].StartsWith("--help=", StringComparison.Ordinal))
        {
            HelpPage.PrintAll(host.Out, args.Count == 0 ? "" : TopicOf(args[0]));
            return args.Count == 0 ? Failures.WrongUsage : Failures.Done;
        }

        if (args[0] is "--version" or "-v" or "version")
        {
            host.Out.WriteLine("quire " + Version);
            return Failures.Done;
        }

        if (args[0] == "options-page")
        {
            host.Out.Write(OptionsPage.Write());
            return Failures.Done;
        }

        (CliCommand? command, int words) = Find(args, host);
        if (command is null)
            return Failures.Done;
        CliCall? call = Read(command, Skip(args, words), host);
        return call is null ? Failures.Done : await command.RunAsync(call, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The command that the first words name; null when a group's help was printed instead.</summary>
    private static (CliCommand? Command, int Words) Find(IReadOnlyList<string> args, CliHost host)
    {
        string first = args[0];
        string two = args.Count > 1 ? first + " " + args[1] : first;
        bool isGroup = false;
        foreach ((string name, _, Func<CliCommand> create) in Commands)
        {
            if (name == two && args.Count > 1)
                return (create(), 2);
            if (name == first)
                return (create(), 1);
            isGroup |= name.StartsWith(first + " ", StringComparison.Ordinal);
        }

        if (isGroup && args.Count > 1 && args[1] is "--help" or "-h")
        {
            HelpPage.PrintGroup(host.Out, first);
            return (null, 2);
        }

        string wanted = isGroup ? two : first;
        var names = new List<string>();
        foreach ((string name, _, _) in Commands)
            names.Add(name);
        string? nearest = NearestName.Find(wanted, names, out _);
        throw Failures.Usage(ErrorCodes.UnknownOption, isGroup && args.Count == 1
            ? $"{first} needs a second word; quire {first} --help lists them"
            : $"unknown command {wanted}; did you mean {nearest}? quire --help lists the commands", wanted);
    }

    /// <summary>Reads all sources of options; null when help was printed instead.</summary>
    private static CliCall? Read(CliCommand command, IReadOnlyList<string> args, CliHost host)
    {
        var options = new OptionSet();
        var sampling = new SamplingFlags();
        if (ConfigPath(args, host) is { } file)
            ConfigFile.Load(file, options, sampling);
        if (command.Tables != OptionTables.None)
            EnvironmentOptions.Load(host.Environment, options, host);
        sampling.BeginSource();
        var splitter = new ArgumentSplitter(command, options, sampling);
        IReadOnlyList<string> rest = splitter.Split(args);
        if (splitter.Help is { } topic)
        {
            HelpPage.PrintCommand(host.Out, command, topic);
            return null;
        }

        ParseResult parsed = command.Definition.Parse(rest);
        if (parsed.Errors.Count > 0)
            throw Failures.Usage(ErrorCodes.InvalidOption, Failures.OneLine(parsed.Errors[0].Message) + $" (quire {command.Title} --help)");
        DropForeign(command.Tables, options);
        if (OptionChecks.FirstMistake(options, command.OnlyCalculates) is { } problem)
            throw Failures.From(problem);
        if (!command.StartsEngine)
        {
            foreach (string warning in OptionChecks.Warnings(options))
                host.Warn(warning);
        }

        return new CliCall
        {
            Host = host,
            Parsed = parsed,
            Options = options,
            Sampling = sampling.Values,
            Verbose = parsed.GetValue(command.Verbose),
            Json = parsed.GetValue(command.Json),
        };
    }

    /// <summary>One file and one environment serve all commands: what belongs to another one is left out here.</summary>
    private static void DropForeign(OptionTables tables, OptionSet options)
    {
        var foreign = new List<string>();
        foreach (OptionSetting setting in options.Settings)
        {
            if (!tables.HasFlag(setting.Option.Scope == OptionScope.Server ? OptionTables.Server : OptionTables.Engine))
                foreign.Add(setting.Option.Name);
        }

        foreach (string name in foreign)
            options.Put(name, null);
    }

    private static string? ConfigPath(IReadOnlyList<string> args, CliHost host)
    {
        for (int i = 0; i < args.Count; i++)
        {
            if (args[i] == "--")
                break;
            if (args[i].StartsWith("--config=", StringComparison.Ordinal))
                return args[i]["--config=".Length..];
            if (args[i] == "--config" && i + 1 < args.Count)
                return args[i + 1];
        }

        return host.Environment.GetValueOrDefault("QUIRE_CONFIG");
    }

    private static string TopicOf(string help) => help.StartsWith("--help=", StringComparison.Ordinal) ? help["--help=".Length..] : "";

    private static bool Contains(IReadOnlyList<string> args, string word)
    {
        foreach (string arg in args)
        {
            if (arg == word)
                return true;
        }

        return false;
    }

    private static List<string> Skip(IReadOnlyList<string> args, int count)
    {
        var rest = new List<string>(args.Count);
        for (int i = count; i < args.Count; i++)
            rest.Add(args[i]);
        return rest;
    }
}
