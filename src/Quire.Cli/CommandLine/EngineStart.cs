using System.Diagnostics;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Inference;
using Quire.Tensors;

namespace Quire.Cli.CommandLine;

/// <summary>Starts an engine for a command, with progress on standard error.</summary>
internal static class EngineStart
{
    /// <summary>What the line says that is written when an engine takes requests (with --verbose, or on a terminal).</summary>
    internal const string ReadyWords = ", loaded in ";

    public static async Task<InferenceEngine> RunAsync(CliCall call, UsageContext use, CancellationToken cancellationToken, LogLevel? least = null)
    {
        ILoggerFactory logs = Logging(call, least ?? (call.Verbose ? LogLevel.Information : LogLevel.Warning));
        var asked = call.EngineOptions;
        IBackend backend = BackendSelector.Create(asked);
        long start = Stopwatch.GetTimestamp();
        bool shows = call.Host.ErrorIsTerminal && asked.UseTqdmOnLoad != false;
        InferenceEngine engine;
        try
        {
            engine = shows
                ? await LoadBar.RunAsync(call.Host, progress => InferenceEngine.StartAsync(asked, backend, use, logs, progress, cancellationToken)).ConfigureAwait(false)
                : await InferenceEngine.StartAsync(asked, backend, use, logs, null, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            backend.Dispose();
            throw;
        }

        if (call.Verbose || shows)
        {
            call.Host.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{engine.Model.ServedNames[0]}: {engine.Model.Architecture}, {engine.Model.DType}, context {engine.Model.MaxModelLen}, KV cache {engine.MemoryPlan.CacheTokens} tokens{ReadyWords}{Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s"));
        }

        return engine;
    }

    public static ILoggerFactory Logging(CliCall call, LogLevel least) => new StderrLogging(call.Host.Error, least);
}
