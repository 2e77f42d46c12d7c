using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Spectre.Console;

namespace Quire.Cli.Text;

/// <summary>Rows and columns: drawn on a terminal, plain and aligned into a pipe.</summary>
internal sealed class TextTable
{
    private readonly string[] _headings;
    private readonly List<string[]> _rows = [];

    public TextTable(params string[] headings) => _headings = headings;

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Print(TextWriter output, bool isTerminal)
    {
        if (isTerminal)
            PrintDrawn(output);
        else
            PrintPlain(output);
    }

    private void PrintDrawn(TextWriter output)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        console.Profile.Width = Math.Max(80, Console.WindowWidth);
        Table table = new Table().Border(TableBorder.Rounded);
        foreach (string heading in _headings)
            table.AddColumn(Markup.Escape(heading));
        foreach (string[] row in _rows)
            table.AddRow(Array.ConvertAll(row, Markup.Escape));
        console.Write(table);
    }

    private void PrintPlain(TextWriter output)
    {
        int[] widths = new int[_headings.Length];
        Measure(_headings, widths);
        foreach (string[] row in _rows)
            Measure(row, widths);
        WriteRow(output, _headings, widths);
        foreach (string[] row in _rows)
            WriteRow(output, row, widths);
    }

    private static void Measure(string[] row, int[] widths)
    {
        for (int i = 0; i < row.Length; i++)
            widths[i] = Math.Max(widths[i], row[i].Length);
    }

    private static void WriteRow(TextWriter output, string[] row, int[] widths)
    {
        var line = new StringBuilder();
        for (int i = 0; i < row.Length; i++)
            line.Append(row[i].PadRight(widths[i] + 2));
        output.WriteLine(line.ToString().TrimEnd());
    }
}
