using System;
using System.Threading.Tasks;
using Quire.Models.Weights;
using Spectre.Console;

namespace Quire.Cli.CommandLine;

/// <summary>A bar on standard error while weights are read; it disappears when they are there.</summary>
internal static class LoadBar
{
    public static Task<T> RunAsync<T>(CliHost host, Func<IProgress<LoadProgress>, Task<T>> load)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(host.Error) });
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(context => load(new Bar(context.AddTask("loading weights", autoStart: true))));
    }

    private sealed class Bar(ProgressTask task) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            task.MaxValue = Math.Max(1, value.BytesTotal);
            task.Value = value.BytesDone;
        }
    }
}
