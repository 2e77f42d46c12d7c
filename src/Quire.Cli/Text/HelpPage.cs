using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Text;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Text;

/// <summary>
/// Help pages: of the program, of a command, of a group of options (<c>--help=scheduler</c>), of one option (<c>--help=max-num-seqs</c>),
/// or of everything (<c>--help=all</c>).
/// </summary>
internal static class HelpPage
{
    private const int Width = 100;
    private const int Indent = 30;

    public static void PrintAll(TextWriter output, string topic)
    {
        if (topic.Length > 0)
        {
            PrintTopic(output, topic, OptionTables.Engine | OptionTables.Server | OptionTables.Sampling);
            return;
        }

        output.WriteLine("quire: language models on your own machine, with vLLM's names");
        output.WriteLine();
        output.WriteLine("Usage: quire COMMAND [options]");
        output.WriteLine();
        foreach ((string name, string summary, _) in CommandRouter.Commands)
            PrintEntry(output, name, summary);
        output.WriteLine();
        output.WriteLine("quire COMMAND --help explains a command, --help=GROUP or --help=OPTION its options, --help=all every option.");
        output.WriteLine("Without --model the model that ships with Quire is used. docs/options.md holds every option.");
    }

    public static void PrintGroup(TextWriter output, string group)
    {
        output.WriteLine($"Usage: quire {group} COMMAND [options]");
        output.WriteLine();
        foreach ((string name, string summary, _) in CommandRouter.Commands)
        {
            if (name.StartsWith(group + " ", StringComparison.Ordinal))
                PrintEntry(output, name, summary);
        }
    }

    public static void PrintCommand(TextWriter output, CliCommand command, string topic)
    {
        if (topic.Length > 0 && topic != "all")
        {
            PrintTopic(output, topic, command.Tables);
            return;
        }

        output.WriteLine(command.Definition.Description);
        output.WriteLine();
        output.WriteLine("Usage: quire " + Usage(command));
        output.WriteLine();
        foreach (Argument argument in command.Definition.Arguments)
            PrintEntry(output, argument.Name, argument.Description ?? "");
        foreach (Option option in command.Definition.Options)
        {
            if (!option.Hidden && option.Name != "--help")
                PrintEntry(output, string.Join(", ", Names(option)) + (option.ValueType == typeof(bool) ? "" : " " + (option.HelpName ?? "VALUE")), option.Description ?? "");
        }

        if (topic == "all")
        {
            PrintTopic(output, topic, command.Tables);
            return;
        }

        if (command.Tables == OptionTables.None)
            return;
        output.WriteLine();
        output.WriteLine("Further options, by group (--help=GROUP lists one, --help=OPTION explains one, --help=all lists all):");
        foreach (OptionGroup group in Enum.GetValues<OptionGroup>())
        {
            if (Count(group, command.Tables) is var count and > 0)
                PrintEntry(output, OptionCatalogue.Keyword(group), $"{OptionCatalogue.Title(group)}, {count} option{(count == 1 ? "" : "s")}");
        }

        if (command.Tables.HasFlag(OptionTables.Sampling))
            PrintEntry(output, "sampling", "How tokens are chosen and when to stop");
    }

    private static void PrintTopic(TextWriter output, string topic, OptionTables tables)
    {
        bool found = false;
        foreach (OptionGroup group in Enum.GetValues<OptionGroup>())
        {
            if ((topic == "all" || string.Equals(OptionCatalogue.Keyword(group), topic, StringComparison.OrdinalIgnoreCase)) && Count(group, tables) > 0)
            {
                found = true;
                PrintOptions(output, group, tables);
            }
        }

        if (topic is "all" or "sampling" && tables.HasFlag(OptionTables.Sampling))
        {
            found = true;
            output.WriteLine();
            output.WriteLine("Sampling");
            foreach ((string flag, string help) in SamplingFlags.HelpLines)
                PrintEntry(output, flag, help);
        }

        if (found)
            return;
        if (OptionCatalogue.Find(topic) is { } option)
        {
            PrintOption(output, option);
            return;
        }

        if (RetiredOption.Find(OptionCatalogue.NormalizeName(topic)) is { } retired)
        {
            output.WriteLine($"--{retired.Name.Replace('_', '-')} is retired: {retired.Note}.");
            return;
        }

        throw Failures.Usage(ErrorCodes.UnknownOption, $"there is no option or group {topic}; --help lists the groups", topic);
    }

    private static void PrintOptions(TextWriter output, OptionGroup group, OptionTables tables)
    {
        output.WriteLine();
        output.WriteLine(OptionCatalogue.Title(group));
        foreach (OptionDescriptor option in OptionCatalogue.All)
        {
            if (option.Group == group && IsIn(option, tables))
                PrintOption(output, option);
        }
    }

    private static void PrintOption(TextWriter output, OptionDescriptor option)
    {
        string head = option.Flag + (option.Kind == OptionKind.Flag ? "" : " " + ValueName(option));
        if (option.Aliases.Count > 0)
            head = string.Join(", ", option.Aliases) + ", " + head;
        var text = new StringBuilder(option.Help);
        text.Append(" Default: ").Append(option.Default).Append('.');
        if (option.Choices.Count > 0)
            text.Append(" One of ").AppendJoin(", ", option.Choices).Append('.');
        if (option.Effect == OptionEffect.Hint)
            text.Append(" No effect here: ").Append(option.Note).Append('.');
        else if (option.Effect == OptionEffect.Refused)
            text.Append(" Only the default is possible: ").Append(option.Note).Append('.');
        PrintEntry(output, head, text.ToString());
    }

    private static string ValueName(OptionDescriptor option) => option.Kind switch
    {
        OptionKind.Integer or OptionKind.Size => "N",
        OptionKind.Number => "X",
        OptionKind.TextList => "A [B …]",
        OptionKind.Json => "JSON",
        _ => "VALUE",
    };

    private static string Usage(CliCommand command)
    {
        var text = new StringBuilder(command.Title);
        foreach (Argument argument in command.Definition.Arguments)
            text.Append(" [").Append(argument.Name).Append(']');
        return text.Append(" [options]").ToString();
    }

    private static List<string> Names(Option option)
    {
        var names = new List<string>(option.Aliases) { option.Name };
        return names;
    }

    private static int Count(OptionGroup group, OptionTables tables)
    {
        int count = 0;
        foreach (OptionDescriptor option in OptionCatalogue.All)
        {
            if (option.Group == group && IsIn(option, tables))
                count++;
        }

        return count;
    }

    private static bool IsIn(OptionDescriptor option, OptionTables tables) =>
        tables.HasFlag(option.Scope == OptionScope.Server ? OptionTables.Server : OptionTables.Engine);

    private static void PrintEntry(TextWriter output, string head, string text)
    {
        var line = new StringBuilder("  ").Append(head);
        if (line.Length >= Indent)
        {
            output.WriteLine(line);
            line.Clear();
        }

        line.Append(' ', Indent - line.Length);
        foreach (string word in text.Split(' '))
        {
            if (line.Length + word.Length > Width && line.Length > Indent)
            {
                output.WriteLine(line.ToString().TrimEnd());
                line.Clear().Append(' ', Indent);
            }

            line.Append(word).Append(' ');
        }

        output.WriteLine(line.ToString().TrimEnd());
    }
}
