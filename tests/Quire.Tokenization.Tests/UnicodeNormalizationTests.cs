using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using Quire.Tokenization.Normalizers;

namespace Quire.Tokenization.Tests;

/// <summary>Unicode's own test lines: source, NFC, NFD, NFKC, NFKD.</summary>
public sealed class UnicodeNormalizationTests
{
    [Fact]
    public void Every_form_of_every_test_line_is_as_Unicode_says()
    {
        int lines = 0;
        foreach (string line in File.ReadLines(TestFiles.Data("normalization.txt")).Where(line => !line.StartsWith('#')))
        {
            string[] columns = Array.ConvertAll(line.Split(';'), Text);
            for (int i = 0; i < columns.Length; i++)
            {
                // NFC and NFD of the first three columns are columns 2 and 3, of the others 4 and 5; NFKC and NFKD are 4 and 5 throughout.
                Check(columns[i < 3 ? 1 : 3], columns[i], NormalizationForm.FormC, line);
                Check(columns[i < 3 ? 2 : 4], columns[i], NormalizationForm.FormD, line);
                Check(columns[3], columns[i], NormalizationForm.FormKC, line);
                Check(columns[4], columns[i], NormalizationForm.FormKD, line);
            }
            lines++;
        }
        Assert.True(lines > 1000, $"only {lines} lines");
    }

    [Fact]
    public void Text_around_a_change_stays_and_parts_do_not_disturb_each_other()
    {
        string[] columns = [.. File.ReadLines(TestFiles.Data("normalization.txt")).Where(line => !line.StartsWith('#')).Select(line => Text(line.Split(';')[0]))];
        string[] composed = [.. columns.Select(text => UnicodeNormalization.Normalize(text, NormalizationForm.FormC))];
        string joined = UnicodeNormalization.Normalize(string.Join(" ", columns), NormalizationForm.FormC);
        Assert.Equal(string.Join(" ", composed), joined);
    }

    private static void Check(string expected, string source, NormalizationForm form, string line) =>
        Assert.Equal((line, form, expected), (line, form, UnicodeNormalization.Normalize(source, form)));

    private static string Text(string column) => string.Concat(column.Trim().Split(' ')
        .Select(code => char.ConvertFromUtf32(int.Parse(code, NumberStyles.HexNumber, CultureInfo.InvariantCulture))));
}
