using System;
using System.Collections.Generic;
using System.Text;

namespace Quire.Tokenization.Tests;

/// <summary>Text of the kinds that tokenizers stumble over: scripts, emoji, marks, digits, white space, quotes, control tokens.</summary>
internal static class RandomText
{
    private static readonly string[] Fragments =
    [
        "the ", "Hello", " world", "don't", "I'LL", "we've", "'", "'s", "''", "’s", "naïve", "e\u0301", "\u0301", "\u0327\u0301", "ﬁ", "Straße", "ΑΒγ",
        "Привет", "你好", "世界。", "こんにちは", "カ", "한국어", "\u1112\u1161\u11AB", "مرحبا", "שלום", "नमस्ते", "क्", "😀", "👩‍👩‍👧", "🇫🇷", "👍🏽", "𝐀𝐛", "𝟘", "𐐀𐐨",
        "1", "12", "123", "4567", "½", "²", "Ⅻ", "٣", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n\n", " \n ", "\u00A0", "\u2003", "\u3000", "\u0085",
        "!", "...", "?!", "(", ")]", "{\"", "://", "/", "//\n", "_", "--", "\u00AD", "\u200B", "\u200D", "\uFEFF", "\0", "\x7F", "\u001C", "ABCdef", "HTTPServer",
        "aB", "日本ABC", "ABC日本D", "ǅ", "ʰ", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "<0x41>", "▁", "▁▁", "<bos>", "<think>", "=\"", "></",
    ];

    public static string Next(Random random, int fragmentsMax)
    {
        var text = new StringBuilder();
        for (int left = random.Next(fragmentsMax + 1); left > 0; left--)
        {
            if (random.Next(4) > 0)
                text.Append(Fragments[random.Next(Fragments.Length)]);
            else
                text.Append(AnyRune(random).ToString());
        }
        return text.ToString();
    }

    public static Rune AnyRune(Random random)
    {
        while (true)
        {
            int limit = random.Next(4) switch
            {
                0 => 0x80,
                1 => 0x600,
                2 => 0x10000,
                _ => 0x20000,
            };
            if (Rune.TryCreate(random.Next(limit), out Rune rune))
                return rune;
        }
    }

    /// <summary>Cuts a text anywhere, also within characters.</summary>
    public static IEnumerable<T[]> Chunks<T>(Random random, T[] items)
    {
        for (int start = 0; start < items.Length;)
        {
            int length = Math.Min(items.Length - start, 1 + random.Next(5));
            yield return items[start..(start + length)];
            start += length;
        }
    }
}
