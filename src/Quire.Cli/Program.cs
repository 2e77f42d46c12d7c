using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;

namespace Quire.Cli;

/// <summary>The process around the commands: streams, environment, signals.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        await using var output = new StreamWriter(Console.OpenStandardOutput(), utf8, 1 << 14);
        await using var error = new StreamWriter(Console.OpenStandardError(), utf8, 1 << 10) { AutoFlush = true };
        using var interrupt = new CancellationTokenSource();
        var host = new CliHost
        {
            In = new StreamReader(Console.OpenStandardInput(), utf8, detectEncodingFromByteOrderMarks: true, 1 << 14),
            Out = output,
            Error = error,
            Environment = ReadEnvironment(),
            OutIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            InIsTerminal = !Console.IsInputRedirected,
        };

        // The first Ctrl-C asks the command to stop; the second one is not handled and ends the process at once.
        using PosixSignalRegistration handler = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = !interrupt.IsCancellationRequested;
            interrupt.Cancel();
        });
        try
        {
            return await CommandRouter.RunAsync(args, host, interrupt.Token).ConfigureAwait(false);
        }
        catch (IOException) when (!host.OutIsTerminal)
        {
            // The reader of a pipe went away, as head does. What it wanted, it has.
            return Failures.Failed;
        }
    }

    private static Dictionary<string, string> ReadEnvironment()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
            variables[(string)entry.Key] = entry.Value as string ?? "";
        return variables;
    }
}
