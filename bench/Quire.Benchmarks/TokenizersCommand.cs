using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using Quire.Tokenization;

namespace Quire.Benchmarks;

/// <summary>
/// Encoding and decoding on one core, in MB of UTF-8 a second of processor time. Without a file, English is imitated: words of a vocabulary drawn by Zipf's
/// law, a twentieth of them made up of two, with punctuation, numbers and paragraphs.
/// </summary>
internal static class TokenizersCommand
{
    private const int Characters = 4 << 20;

    public static int Run(string[] args)
    {
        string? file = null;
        double seconds = 2;
        var folders = new List<string>();
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--text":
                    file = args[++i];
                    break;
                case "--seconds":
                    seconds = double.Parse(args[++i], System.Globalization.CultureInfo.InvariantCulture);
                    break;
                default:
                    folders.Add(args[i]);
                    break;
            }
        }

        Console.WriteLine($"{"tokenizer",-14}  {"text",-16}  {"encode",12}  {"decode",12}  {"bytes/token",11}");
        foreach (string folder in folders.Count > 0 ? folders : ["models/quill"])
        {
            ITokenizer tokenizer = TokenizerLoader.Load(folder);
            string english = file is null ? English(tokenizer) : File.ReadAllText(file);
            foreach ((string name, string text) in (ReadOnlySpan<(string, string)>)
                [("English", english), ("Chinese", Random(0x4E00, 0x9FA0, 1 << 20)), ("no spaces, 1 MB", Random('a', 'z' + 1, 1 << 20)),
                 ("one letter, 1 MB", new string('a', 1 << 20)), ("spaces, 1 MB", new string(' ', 1 << 20)), ("any characters", Random(0x20, 0x3000, 1 << 20))])
            {
                Measure(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), name, tokenizer, text, seconds);
            }
        }

        return 0;
    }

    private static void Measure(string tokenizerName, string textName, ITokenizer tokenizer, string text, double seconds)
    {
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        var ids = new List<int>(text.Length);
        double encode = Best(seconds, () =>
        {
            ids.Clear();
            tokenizer.Encode(text, false, ids);
        });
        int[] tokens = [.. ids];
        double decode = Best(seconds / 2, () => tokenizer.Decode(tokens, skipSpecialTokens: false));
        Console.WriteLine(
            $"{tokenizerName,-14}  {textName,-16}  {megabytes / encode,7:F1} MB/s  {megabytes / decode,7:F1} MB/s  {megabytes * 1e6 / tokens.Length,11:F2}");
    }

    /// <summary>The best of as many runs as fit, three at least, since the first ones run code that is still being optimised.</summary>
    private static double Best(double seconds, Action run)
    {
        double best = double.MaxValue;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 3 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; i++)
        {
            double began = ThreadClock.Seconds();
            run();
            best = Math.Min(best, ThreadClock.Seconds() - began);
        }

        return best;
    }

    private static string English(ITokenizer tokenizer)
    {
        var words = new List<string>();
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            string? token = tokenizer.IdToToken(id);
            if (token is ['Ġ' or '▁', ..] && token.Skip(1).All(char.IsAsciiLetterLower) && token.Length > 2)
            {
                words.Add(token[1..]);
            }
        }

        var random = new Random(1);
        var text = new StringBuilder(Characters + 100);
        while (text.Length < Characters)
        {
            text.Append(Word(words, random));
            if (random.Next(20) == 0)
            {
                text.Append(Word(words, random));
            }

            text.Append(random.Next(60) switch
            {
                < 4 => ", ",
                < 7 => ". ",
                7 => $" {random.Next(2000)} ",
                8 => ".\n\n",
                9 => "'s ",
                _ => " ",
            });
        }

        return text.ToString();
    }

    /// <summary>The n-th word with a probability in proportion to 1 / n.</summary>
    private static string Word(List<string> words, Random random) => words[(int)Math.Pow(words.Count, random.NextDouble()) - 1];

    private static string Random(int first, int end, int count)
    {
        var random = new Random(2);
        return string.Create(count, 0, (span, _) =>
        {
            foreach (ref char character in span)
            {
                character = (char)random.Next(first, end);
            }
        });
    }
}
