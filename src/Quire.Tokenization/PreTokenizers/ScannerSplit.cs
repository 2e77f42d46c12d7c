using System;

namespace Quire.Tokenization.PreTokenizers;

/// <summary>
/// <c>Split</c> with a known pattern and behaviour <c>Isolated</c>. The pattern matches every character, so pieces are matches.
/// </summary>
internal sealed class ScannerSplit : PreTokenizer
{
    private readonly PatternScanner _scanner;

    public ScannerSplit(PatternScanner scanner) => _scanner = scanner;

    /// <inheritdoc/>
    public override void Split(ReadOnlySpan<char> text, bool atStart, PieceSink sink)
    {
        int start = 0;
        while (start < text.Length)
        {
            int end = _scanner.Next(text, start);
            sink.Take(text[start..end], atStart && start == 0);
            start = end;
        }
    }
}
