using System;
using System.Runtime.Intrinsics;

namespace Quire.Engine.Sampling;

/// <summary>
/// Sets of tokens as bits: bit i % 32 of word i / 32 is 1 when token i is allowed. Grammars give their masks in the same form.
/// </summary>
public static class TokenMask
{
    public static int WordCount(int vocabularySize) => (vocabularySize + 31) / 32;

    public static void Allow(Span<uint> words, int tokenId) => words[tokenId >> 5] |= 1u << (tokenId & 31);

    public static bool IsAllowed(ReadOnlySpan<uint> words, int tokenId) => (words[tokenId >> 5] & (1u << (tokenId & 31))) != 0;

    /// <summary>Sets the logits of all tokens that are not allowed to −∞; tokens beyond the last word are not allowed.</summary>
    public static void Apply(Span<float> logits, ReadOnlySpan<uint> words)
    {
        var laneBits = Vector256.Create(1u, 2, 4, 8, 16, 32, 64, 128);
        var masked = Vector256.Create(float.NegativeInfinity);
        int covered = Math.Min(logits.Length, words.Length * 32);
        int i = 0;
        for (; i + 32 <= covered; i += 32)
        {
            uint word = words[i >> 5];
            if (word == uint.MaxValue)
                continue;
            if (word == 0)
            {
                logits.Slice(i, 32).Fill(float.NegativeInfinity);
                continue;
            }

            for (int lane = 0; lane < 32; lane += Vector256<float>.Count)
            {
                Span<float> values = logits.Slice(i + lane, Vector256<float>.Count);
                Vector256<uint> bits = Vector256.Create(word >> lane) & laneBits;
                Vector256<float> forbidden = Vector256.Equals(bits, Vector256<uint>.Zero).AsSingle();
                Vector256.ConditionalSelect(forbidden, masked, Vector256.Create<float>(values)).CopyTo(values);
            }
        }

        for (; i < covered; i++)
        {
            if (!IsAllowed(words, i))
                logits[i] = float.NegativeInfinity;
        }

        logits[covered..].Fill(float.NegativeInfinity);
    }
}
