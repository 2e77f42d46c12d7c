using Microsoft.Extensions.Logging;

namespace Quire.Server;

/// <summary>What the server logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "The request has an unknown field, which is ignored: {Field}")]
    private static partial void UnknownFieldCore(ILogger logger, string field);

    [LoggerMessage(2, LogLevel.Information, "{Method} {Path} {Status} {Milliseconds:F1} ms")]
    public static partial void Access(ILogger logger, string method, string path, int status, double milliseconds);

    [LoggerMessage(3, LogLevel.Error, "A request failed inside the server")]
    public static partial void RequestFailed(ILogger logger, System.Exception exception);

    [LoggerMessage(4, LogLevel.Information, "Request {Id}: {Prompts} prompt(s), n={N}, stream={Stream}, max_tokens={MaxTokens}, first prompt: {Prompt}")]
    public static partial void Request(ILogger logger, string id, int prompts, int n, bool stream, int? maxTokens, string prompt);

    [LoggerMessage(5, LogLevel.Information, "Request {Id} output {Index}: {Reason}, {Tokens} tokens: {Text}")]
    public static partial void Output(ILogger logger, string id, int index, string reason, int tokens, string text);

    [LoggerMessage(6, LogLevel.Information, "Request {Id}: the client is gone, the request is aborted")]
    public static partial void Disconnected(ILogger logger, string id);

    [LoggerMessage(7, LogLevel.Information, "Stopping: no new requests, up to {Seconds} s for those that run")]
    public static partial void Stopping(ILogger logger, double seconds);

    public static void LoraLoaded(ILogger logger, string name) => LoraLoadedCore(logger, Printable(name, 256));

    public static void LoraUnloaded(ILogger logger, string name) => LoraUnloadedCore(logger, Printable(name, 256));

    [LoggerMessage(21, LogLevel.Information, "LoRA adapter {Name} loaded")]
    private static partial void LoraLoadedCore(ILogger logger, string name);

    [LoggerMessage(22, LogLevel.Information, "LoRA adapter {Name} unloaded")]
    private static partial void LoraUnloadedCore(ILogger logger, string name);

    /// <summary>Names of fields come from outside, so they are cut and cleaned before they reach a log.</summary>
    public static void UnknownField(ILogger logger, string field)
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            UnknownFieldCore(logger, Printable(field, 64));
        }
    }

    /// <summary>One line of at most <paramref name="lengthMax"/> characters.</summary>
    public static string Printable(string text, int? lengthMax)
    {
        int length = System.Math.Min(text.Length, lengthMax ?? int.MaxValue);
        return string.Create(length, text, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? ' ' : source[i];
            }
        });
    }
}
