using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Quire.Tokenization.Tests;

/// <summary>
/// The decoders as the Hugging Face library defines them: over the list of all tokens, step by step. Slow and plain, to compare with.
/// </summary>
internal static class ReferenceDecoders
{
    public static string ByteLevel(IEnumerable<string> tokens)
    {
        Dictionary<char, byte> byteOf = Enumerable.Range(0, 256).ToDictionary(value => Engines.ByteAlphabet.CharacterOf[value], value => (byte)value);
        var bytes = new List<byte>();
        foreach (string token in tokens)
        {
            if (token.All(byteOf.ContainsKey))
                bytes.AddRange(token.Select(character => byteOf[character]));
            else
                bytes.AddRange(Encoding.UTF8.GetBytes(token));
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    /// <summary>Replace ▁, ByteFallback, Fuse, Strip.</summary>
    public static string Pieces(IEnumerable<string> tokens, int stripStart)
    {
        var fused = new StringBuilder();
        var run = new List<byte>();
        foreach (string token in tokens.Select(token => token.Replace('▁', ' ')))
        {
            if (token.Length == 6 && token.StartsWith("<0x") && token.EndsWith('>')
                && byte.TryParse(token[3..5], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out byte value))
            {
                run.Add(value);
                continue;
            }
            EndRun();
            fused.Append(token);
        }
        EndRun();
        string text = fused.ToString();
        for (; stripStart > 0 && text.StartsWith(' '); stripStart--)
            text = text[1..];
        return text;

        void EndRun()
        {
            string read = Encoding.UTF8.GetString(run.ToArray());
            bool valid = Encoding.UTF8.GetBytes(read).SequenceEqual(run);
            fused.Append(valid ? read : new string('\uFFFD', run.Count));
            run.Clear();
        }
    }
}
