using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;

namespace Quire.Benchmarks.Peers;

/// <summary>A process with a loaded model that measures what a line asks for.</summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process _process;

    private PeerProcess(Process process, double startSeconds)
    {
        _process = process;
        StartSeconds = startSeconds;
    }

    /// <summary>From the start of the process until it could take requests.</summary>
    public double StartSeconds { get; }

    public static PeerProcess Start(string program, IEnumerable<string> arguments)
    {
        var info = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        long start = Stopwatch.GetTimestamp();
        Process process = Process.Start(info) ?? throw new IOException($"{program} could not be started");
        string? line = process.StandardOutput.ReadLine();
        return line == "ready"
            ? new PeerProcess(process, Stopwatch.GetElapsedTime(start).TotalSeconds)
            : throw new IOException($"{program} {string.Join(' ', arguments)} said {line ?? "nothing"} instead of ready");
    }

    /// <summary>The numbers that answer a line.</summary>
    public double[] Ask(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
        string answer = _process.StandardOutput.ReadLine() ?? throw new IOException($"no answer to: {line}");
        return [.. answer.Split(' ').Select(word => double.Parse(word, CultureInfo.InvariantCulture))];
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.WriteLine("end");
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended by itself.
        }

        if (!_process.WaitForExit(10_000))
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
