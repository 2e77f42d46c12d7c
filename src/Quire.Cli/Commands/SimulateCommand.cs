using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Simulation.Decisions;

namespace Quire.Cli.Commands;

/// <summary><c>quire simulate --decisions</c>: what the scheduler decides, step by step, for given workloads; no clock and no model.</summary>
internal sealed class SimulateCommand : CliCommand
{
    private readonly Option<string> _decisions = new("--decisions") { Required = true, Description = "JSON list of cases: name, config, requests; - is standard input.", HelpName = "FILE" };

    public SimulateCommand()
        : base("simulate", "Run the real scheduler over recorded workloads and print its decisions.") => Definition.Add(_decisions);

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        IReadOnlyList<DecisionCase> cases = Read(call, call.Parsed.GetRequiredValue(_decisions));
        var answers = new List<DecisionCase>(cases.Count);
        foreach (DecisionCase item in cases)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                answers.Add(DecisionRunner.Run(item));
            }
            catch (ArgumentException failure)
            {
                throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Runtime, Failures.OneLine(failure.Message), inner: failure);
            }
        }

        if (call.Json)
            WriteJson(call.Host.Out, answers);
        else
            WriteTable(call, answers);
        return Task.FromResult(Failures.Done);
    }

    private static IReadOnlyList<DecisionCase> Read(CliCall call, string path)
    {
        using TextReader input = call.Host.OpenInput(path);
        try
        {
            return DecisionJson.Read(Encoding.UTF8.GetBytes(input.ReadToEnd()));
        }
        catch (JsonException failure)
        {
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path}: {failure.Message}", "decisions");
        }
    }

    /// <summary>An array with one case a line.</summary>
    private static void WriteJson(TextWriter output, List<DecisionCase> cases)
    {
        output.WriteLine("[");
        for (int i = 0; i < cases.Count; i++)
            output.WriteLine(Encoding.UTF8.GetString(DecisionJson.Write(cases[i])) + (i + 1 < cases.Count ? "," : ""));
        output.WriteLine("]");
    }

    private static void WriteTable(CliCall call, List<DecisionCase> cases)
    {
        var table = new TextTable("case", "requests", "steps", "preemptions", "least free blocks");
        foreach (DecisionCase item in cases)
        {
            int preemptions = 0;
            int free = int.MaxValue;
            foreach (DecisionStep step in item.Steps!)
            {
                preemptions += step.Preempted?.Count ?? 0;
                free = Math.Min(free, step.FreeBlocks);
            }

            table.Add(item.Name, Text(item.Requests.Count), Text(item.Steps.Count), Text(preemptions), Text(free));
        }

        table.Print(call.Host.Out, call.Host.OutIsTerminal);
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
