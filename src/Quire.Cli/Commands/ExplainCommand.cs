using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Planning;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Commands;

/// <summary><c>quire explain [OPTION…]</c>: every option with its value, where it came from and why.</summary>
internal sealed class ExplainCommand : CliCommand
{
    private readonly Argument<string[]> _names = new("OPTION") { Arity = ArgumentArity.ZeroOrMore, Description = "Only these options." };
    private readonly Option<string> _use = new("--use") { DefaultValueFactory = _ => "serve", Description = "serve or generate: what the engine is for, which decides defaults.", HelpName = "USE" };
    private readonly Option<string?> _gpu = new("--gpu") { Description = "Explain for this card instead of this machine, such as h100-80gb.", HelpName = "CARD" };
    private readonly Option<bool> _changed = new("--changed") { Description = "Only options that do not have their default." };

    public ExplainCommand()
        : base("explain", "Print every option with its value, where it came from and why.")
    {
        Definition.Add(_names);
        Definition.Add(_use);
        Definition.Add(_gpu);
        Definition.Add(_changed);
    }

    public override OptionTables Tables => OptionTables.Engine | OptionTables.Server;

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        ModelFiles model = ModelFiles.Open(call.Options);
        DeviceFacts device = call.Parsed.GetValue(_gpu) is { } card ? KnownDevices.Find(card) : KnownDevices.ThisMachine();
        UsageContext use = call.Parsed.GetValue(_use) switch
        {
            "serve" => UsageContext.ApiServer,
            "generate" => UsageContext.OfflineBatch,
            var other => throw Failures.Usage(ErrorCodes.InvalidOption, $"--use must be serve or generate, got {other}", "use"),
        };
        ResolvedOptions resolved = ModelFiles.Resolve(call.Options, model.Facts, device, use, planning: false);
        var entries = new List<ResolvedOption>(resolved.Explanations);
        entries.AddRange(OptionResolver.ExplainServer(call.Options));
        List<ResolvedOption> shown = Select(entries, call.Parsed.GetValue(_names) ?? [], call.Parsed.GetValue(_changed));
        if (call.Json)
            WriteJson(call, model, device, shown);
        else
            WriteTable(call, model, device, shown);
        return Task.FromResult(Failures.Done);
    }

    private static List<ResolvedOption> Select(List<ResolvedOption> entries, string[] names, bool changedOnly)
    {
        var wanted = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in names)
        {
            OptionDescriptor option = OptionCatalogue.Find(name) ?? throw Failures.From(OptionSet.Unknown(OptionCatalogue.NormalizeName(name), name));
            wanted.Add(option.Name);
        }

        return entries.FindAll(entry => (wanted.Count == 0 || wanted.Contains(entry.Option.Name)) && (!changedOnly || entry.Origin != OptionOrigin.Default));
    }

    private static void WriteTable(CliCall call, ModelFiles model, DeviceFacts device, List<ResolvedOption> entries)
    {
        call.Host.Out.WriteLine($"model {model.Path}, device {device.Name}");
        var table = new TextTable("option", "value", "from", "why");
        foreach (ResolvedOption entry in entries)
            table.Add(entry.Option.Name, Shorten(Shown(entry)), Origin(entry), entry.Reason);
        table.Print(call.Host.Out, call.Host.OutIsTerminal);
    }

    private static void WriteJson(CliCall call, ModelFiles model, DeviceFacts device, List<ResolvedOption> entries)
    {
        using var writer = new JsonRowWriter(call.Host.Out);
        Utf8JsonWriter json = writer.Json;
        json.WriteStartObject();
        json.WriteString("model", model.Path);
        json.WriteString("device", device.Name);
        json.WriteStartArray("options");
        foreach (ResolvedOption entry in entries)
        {
            json.WriteStartObject();
            json.WriteString("name", entry.Option.Name);
            json.WritePropertyName("value");
            WriteValue(json, entry);
            json.WriteString("origin", Name(entry.Origin));
            json.WriteString("where", entry.Where);
            json.WriteString("reason", entry.Reason);
            json.WriteString("group", OptionCatalogue.Keyword(entry.Option.Group));
            json.WriteString("effect", entry.Option.Effect.ToString().ToLowerInvariant());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        writer.EndRow();
    }

    private static void WriteValue(Utf8JsonWriter json, ResolvedOption entry)
    {
        string text = Shown(entry);
        switch (entry.Option.Kind)
        {
            case OptionKind.Flag when OptionValue.TryParseFlag(text, out bool flag):
                json.WriteBooleanValue(flag);
                break;
            case OptionKind.Integer or OptionKind.Size when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number):
                json.WriteNumberValue(number);
                break;
            case OptionKind.Number when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number):
                json.WriteNumberValue(number);
                break;
            case OptionKind.Json when text.StartsWith('{'):
                json.WriteRawValue(text);
                break;
            default:
                if (text == "none")
                    json.WriteNullValue();
                else
                    json.WriteStringValue(text);
                break;
        }
    }

    /// <summary>Secrets stay secret: explanations end up in tickets.</summary>
    private static string Shown(ResolvedOption entry) =>
        entry.Option.Name is "api_key" or "hf_token" && entry.Origin != OptionOrigin.Default ? "(hidden)" : entry.Value;

    private static string Shorten(string value) => value.Length <= 60 ? value : value[..57] + "...";

    private static string Origin(ResolvedOption entry) => entry.Where.Length > 0 ? $"{Name(entry.Origin)} ({entry.Where})" : Name(entry.Origin);

    private static string Name(OptionOrigin origin) => origin switch
    {
        OptionOrigin.ConfigFile => "config file",
        OptionOrigin.CommandLine => "command line",
        _ => origin.ToString().ToLowerInvariant(),
    };
}
