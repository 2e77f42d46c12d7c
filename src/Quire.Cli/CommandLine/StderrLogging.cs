using System;
using System.IO;
using Microsoft.Extensions.Logging;

namespace Quire.Cli.CommandLine;

/// <summary>Log lines on standard error, as plain text: severity, and what happened. A framework for that would cost more at start than it gives.</summary>
internal sealed class StderrLogging(TextWriter error, LogLevel least) : ILoggerFactory
{
    private readonly object _gate = new();

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("log lines go to standard error only");

    public void Dispose()
    {
    }

    private void Write(LogLevel level, string category, string text, Exception? failure)
    {
        string head = level switch
        {
            LogLevel.Trace or LogLevel.Debug => "DEBUG",
            LogLevel.Information => "INFO",
            LogLevel.Warning => "WARN",
            _ => "ERROR",
        };
        lock (_gate)
        {
            error.WriteLine(level >= LogLevel.Warning ? $"{head} {text}" : $"{head} [{category}] {text}");
            if (failure is not null)
                error.WriteLine(least <= LogLevel.Debug ? failure.ToString() : $"{head} {failure.GetType().Name}: {Failures.OneLine(failure.Message)}");
        }
    }

    private sealed class Logger(StderrLogging owner, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= owner.Least && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                owner.Write(logLevel, category, formatter(state, exception), exception);
        }
    }

    private LogLevel Least => least;
}
