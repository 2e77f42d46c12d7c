using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests.Streaming;

public class TokenTextCorrectorTests
{
    /// <summary>Tokens 0 to 255 are bytes; 256 is "Hi ", 257 is the first half of an emoji together with an "a" before it.</summary>
    private static byte[] BytesOf(int token) => token switch
    {
        256 => "Hi "u8.ToArray(),
        257 => [(byte)'a', 0xF0, 0x9F],
        _ => [(byte)token],
    };

    private static string Decode(ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>();
        foreach (int token in tokens)
            bytes.AddRange(BytesOf(token));
        return Encoding.UTF8.GetString([.. bytes]);
    }

    [Fact]
    public void A_whole_token_is_its_own_text()
    {
        var corrector = new TokenTextCorrector(Decode, 300);
        Assert.Equal("Hi ", corrector.TextOf(256, [0xF0]));
        Assert.Equal("A", corrector.TextOf('A', []));
    }

    [Fact]
    public void The_token_that_completes_a_character_gets_all_of_it_and_those_before_nothing()
    {
        var corrector = new TokenTextCorrector(Decode, 300);
        int[] tokens = [256, 0xF0, 0x9F, 0x98, 0x80, 'x'];
        string[] texts = [.. tokens.Select((token, i) => corrector.TextOf(token, tokens.AsSpan(0, i)))];
        Assert.Equal(["Hi ", "", "", "", "😀", "x"], texts);
    }

    [Fact]
    public void Alternatives_at_one_place_are_corrected_by_the_sequence_before_them()
    {
        var corrector = new TokenTextCorrector(Decode, 300);
        Assert.Equal("é", corrector.TextOf(0xA9, [256, 0xC3]));
        Assert.Equal("è", corrector.TextOf(0xA8, [256, 0xC3]));
        Assert.Equal("", corrector.TextOf(0xC3, [256, 0xC3]));
    }

    [Fact]
    public void A_character_that_begins_within_a_longer_token_is_completed_with_its_text()
    {
        var corrector = new TokenTextCorrector(Decode, 300);
        Assert.Equal("a😀", corrector.TextOf(0x80, [256, 257, 0x98]));
    }

    [Fact]
    public void Bytes_that_nothing_completes_are_empty()
    {
        var corrector = new TokenTextCorrector(Decode, 100);
        Assert.Equal("", corrector.TextOf(0x98, []));
        Assert.Equal("", corrector.TextOf(0xF0, [256, 256, 256, 256, 256]));
    }
}
