using System;
using System.Collections.Generic;
using System.IO;

namespace Quire.Cli.CommandLine;

/// <summary>What a command may touch of the process that it runs in: so that tests run commands inside their own.</summary>
internal sealed class CliHost
{
    public required TextReader In { get; init; }

    /// <summary>Results only.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Everything that is not a result.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Environment variables; names are compared as given.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Whether <see cref="Out"/> is a screen: tables may then be drawn.</summary>
    public bool OutIsTerminal { get; init; }

    /// <summary>Whether <see cref="Error"/> is a screen: progress may then move.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether <see cref="In"/> is a keyboard.</summary>
    public bool InIsTerminal { get; init; }

    public void Warn(string message) => Error.WriteLine("WARN " + message);

    /// <summary>Opens a file, or standard input for <c>-</c>.</summary>
    public TextReader OpenInput(string path)
    {
        if (path == "-")
            return In;
        try
        {
            return new StreamReader(path, new FileStreamOptions { Options = FileOptions.SequentialScan, BufferSize = 1 << 16 });
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Failures.Unreadable(path, failure);
        }
    }

    /// <summary>Creates a file, or gives standard output for null and <c>-</c>.</summary>
    public TextWriter OpenOutput(string? path)
    {
        if (path is null or "-")
            return Out;
        try
        {
            return new StreamWriter(path, append: false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw Failures.Unreadable(path, failure);
        }
    }
}
