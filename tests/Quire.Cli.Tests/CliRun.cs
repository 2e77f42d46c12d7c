using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;

namespace Quire.Cli.Tests;

/// <summary>One invocation of the command line inside the test's process.</summary>
internal sealed record CliRun(int Status, string Out, string Error)
{
    public static string RepositoryRoot { get; } =
        typeof(CliRun).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;

    public static string Quill { get; } = Path.Combine(RepositoryRoot, "models", "quill");

    public IReadOnlyList<string> Lines => Out.Split('\n', System.StringSplitOptions.RemoveEmptyEntries);

    public static Task<CliRun> Of(params string[] args) => Of(args, "");

    public static async Task<CliRun> Of(string[] args, string input = "", Dictionary<string, string>? environment = null, CancellationToken cancellationToken = default)
    {
        var output = new StringWriter { NewLine = "\n" };
        var error = new StringWriter { NewLine = "\n" };
        var host = new CliHost { In = new StringReader(input), Out = output, Error = error, Environment = environment ?? [] };
        int status = await CommandRouter.RunAsync(args, host, cancellationToken);
        return new CliRun(status, output.ToString(), error.ToString());
    }

    /// <summary>The value and origin of one option, as <c>explain --json</c> says it.</summary>
    public static async Task<(JsonElement Value, string Origin)> Explain(string option, string[] args, Dictionary<string, string>? environment = null)
    {
        CliRun run = await Of(["explain", option, "--json", .. args], environment: environment);
        Assert.True(run.Status == 0, run.Error);
        JsonElement entry = JsonDocument.Parse(run.Out).RootElement.GetProperty("options")[0];
        return (entry.GetProperty("value"), entry.GetProperty("origin").GetString()!);
    }
}
