using System;
using System.IO;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.CommandLine;

/// <summary>Makes the errors of the command line, and turns any error into the one line and the status that users see.</summary>
internal static class Failures
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int WrongUsage = 2;

    /// <summary>The status of shells for a program ended by Ctrl-C.</summary>
    public const int Interrupted = 130;

    public static QuireException Usage(string code, string message, string? field = null) => new(code, ErrorKind.Usage, message, field);

    public static QuireException From(OptionProblem problem) => new(problem.Code, ErrorKind.Usage, problem.Message, problem.Option);

    public static QuireException Unreadable(string path, Exception failure)
    {
        string why = failure switch
        {
            FileNotFoundException or DirectoryNotFoundException => "it does not exist",
            UnauthorizedAccessException => "access is denied, or it is a folder",
            _ => failure.Message,
        };
        return new QuireException(ErrorCodes.UnreadableFile, ErrorKind.Usage, $"cannot open {path}: {why}", inner: failure);
    }

    /// <summary>Prints <c>error QRE…: …</c> and gives the exit status.</summary>
    public static int Report(Exception failure, TextWriter error, bool verbose)
    {
        if (failure is OperationCanceledException)
        {
            error.WriteLine("interrupted");
            return Interrupted;
        }

        (string code, string message, int status) = failure switch
        {
            QuireException known => (known.Code, known.Message, known.Kind == ErrorKind.Usage ? WrongUsage : Failed),
            OutOfMemoryException => (ErrorCodes.NotEnoughMemory, "the memory of this machine does not suffice: " + failure.Message, Failed),
            IOException or UnauthorizedAccessException => (ErrorCodes.UnreadableFile, failure.Message, Failed),
            NotSupportedException => (ErrorCodes.NotAvailable, failure.Message, Failed),
            _ => (ErrorCodes.RequestFailed, $"{failure.GetType().Name}: {failure.Message}", Failed),
        };
        error.WriteLine($"error {code}: {OneLine(message)}");
        if (verbose)
            error.WriteLine(failure.ToString());
        return status;
    }

    public static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
