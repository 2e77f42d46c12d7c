using System.CommandLine;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Engine.Sampling;

namespace Quire.Cli.Commands;

/// <summary><c>quire sample</c>: the distribution that the engine's sampler would draw from, for rows of logits and parameters.</summary>
internal sealed class SampleCommand : CliCommand
{
    private readonly Option<string> _input = new("--input") { Required = true, Description = "JSON Lines with vocab, logits, prompt_token_ids, output_token_ids, params; - is standard input.", HelpName = "FILE" };

    public SampleCommand()
        : base("sample", "Print the distribution that the sampler draws from, row by row.") => Definition.Add(_input);

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        var runner = new SampleRowRunner();
        int status = Failures.Done;
        using TextReader input = call.Host.OpenInput(call.Parsed.GetRequiredValue(_input));
        using var writer = new JsonRowWriter(call.Host.Out);
        foreach (JsonLine line in JsonLines.Read(input))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (runner.Answer(Encoding.UTF8.GetBytes(line.Text), writer.Json) is { } refusal)
            {
                status = Failures.Failed;
                writer.Discard();
                writer.Json.WriteStartObject();
                writer.WriteError(QuireException.From(refusal));
                writer.Json.WriteEndObject();
            }

            writer.EndRow();
        }

        return Task.FromResult(status);
    }
}
