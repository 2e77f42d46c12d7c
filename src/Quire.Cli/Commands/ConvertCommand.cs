using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Loading;
using Quire.Models.Gguf;
using Quire.Models.Weights;
using Spectre.Console;

namespace Quire.Cli.Commands;

/// <summary><c>quire convert</c>: a model folder to one GGUF file.</summary>
internal sealed class ConvertCommand : CliCommand
{
    private readonly Option<string?> _model = new("--model") { Description = "Folder in Hugging Face layout with safetensors files. Without it the model that ships with Quire.", HelpName = "FOLDER" };
    private readonly Option<string> _type = new("--outtype") { Description = "Element type of the matrices; vectors stay float32.", DefaultValueFactory = _ => "bf16", HelpName = "TYPE" };
    private readonly Option<string> _output = new("--output") { Required = true, Description = "The file to write.", HelpName = "FILE.gguf" };

    public ConvertCommand()
        : base("convert", "Write a model folder as one GGUF file.")
    {
        _type.AcceptOnlyFromAmong([.. GgufExport.OutputTypes]);
        Definition.Add(_model);
        Definition.Add(_type);
        Definition.Add(_output);
    }

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        string folder = ModelLocator.Locate(call.Parsed.GetValue(_model));
        string type = call.Parsed.GetValue(_type)!;
        string output = call.Parsed.GetRequiredValue(_output);
        if (!output.EndsWith(GgufFile.Extension, StringComparison.OrdinalIgnoreCase))
            throw Failures.Usage(ErrorCodes.InvalidOption, $"--output is '{output}', but the name of the file must end with {GgufFile.Extension}", "output");
        if (call.Host.ErrorIsTerminal)
            ConvertWithProgress(call.Host, progress => GgufConverter.Convert(folder, type, output, progress));
        else
            GgufConverter.Convert(folder, type, output);
        call.Host.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{output}: {new FileInfo(output).Length / 1e6:0.0} MB, {type}"));
        return Task.FromResult(Failures.Done);
    }

    private static void ConvertWithProgress(CliHost host, Action<IProgress<LoadProgress>> convert)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(host.Error) });
        console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask("converting");
                convert(new TaskProgress(task));
            });
    }

    private sealed class TaskProgress(ProgressTask task) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            task.MaxValue = value.BytesTotal;
            task.Value = value.BytesDone;
        }
    }
}
