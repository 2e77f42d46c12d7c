using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using CsCheck;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests.Streaming;

public class StopMatcherTests
{
    private static readonly Gen<string> Letters = Gen.Char["abc"].Array[0, 60].Select(letters => new string(letters));
    private static readonly Gen<string[]> Stops = Gen.Char["abc"].Array[1, 5].Select(letters => new string(letters)).Array[0, 5];
    private static readonly Gen<int[]> Cuts = Gen.Int[0, 60].Array[0, 20];

    [Fact]
    public void A_stop_across_two_pieces_is_cut_out_and_never_seen_before()
    {
        var matcher = new StopMatcher(new StopTexts(["END"], includeInOutput: false));
        Assert.False(matcher.Append("foo E"));
        Assert.Equal("foo", matcher.TakeText());
        Assert.True(matcher.Append("ND bar"));
        Assert.Equal(" ", matcher.TakeText());
        Assert.Equal("END", matcher.Stop);
        Assert.Equal("", matcher.TakeText());
    }

    [Fact]
    public void A_stop_may_be_kept_at_the_end_of_the_text()
    {
        var matcher = new StopMatcher(new StopTexts(["END"], includeInOutput: true));
        matcher.Append("foo E");
        Assert.Equal("foo E", matcher.TakeText());
        matcher.Append("ND bar");
        Assert.Equal("ND", matcher.TakeText());
    }

    [Fact]
    public void The_stop_that_is_complete_first_wins()
    {
        Assert.Equal(("xa", "bc"), Run(["bc", "abcd"], ["xabcde"]));
        Assert.Equal(("x", "abc"), Run(["abc", "bc"], ["xabcde"]));
        Assert.Equal(("xa", "bc"), Run(["bc", "abc"], ["xabcde"]));
    }

    [Fact]
    public void What_was_held_back_comes_at_the_end()
    {
        var matcher = new StopMatcher(new StopTexts(["stop!"], includeInOutput: false));
        matcher.Append("on and on");
        Assert.Equal("on an", matcher.TakeText());
        matcher.Finish();
        Assert.Equal("d on", matcher.TakeText());
        Assert.Null(matcher.Stop);
    }

    [Fact]
    public void A_stop_that_ends_before_min_tokens_does_not_count_but_one_that_only_begins_there_does()
    {
        var matcher = new StopMatcher(new StopTexts(["ab"], includeInOutput: false));
        Assert.False(matcher.Append("xaba", maySearch: false));
        Assert.True(matcher.Append("b ab"));
        Assert.Equal("xab", matcher.TakeText());
    }

    [Fact]
    public void Characters_of_two_units_are_not_torn_apart()
    {
        var matcher = new StopMatcher(new StopTexts(["ab"], includeInOutput: false));
        matcher.Append("😀");
        Assert.Equal("", matcher.TakeText());
        matcher.Append("!");
        Assert.Equal("😀", matcher.TakeText());
        var open = new StopMatcher(new StopTexts([], includeInOutput: false));
        open.Append("\uD83D");
        Assert.Equal("", open.TakeText());
        open.Append("\uDE00");
        Assert.Equal("😀", open.TakeText());
    }

    [Fact]
    public void Any_pieces_give_the_result_of_a_search_in_the_whole_text() =>
        Gen.Select(Stops, Letters, Cuts, Gen.Bool).Sample(
            (stops, text, cuts, include) =>
            {
                (string expected, string? stop) = Search(stops, text, include);
                Assert.Equal((expected, stop), Run(stops, Pieces(text, cuts), include));
                Assert.Equal((expected, stop), Run(stops, [text], include));
            },
            seed: "0N0XIzNsQ0O2", iter: 5000);

    [Fact]
    public void Nothing_is_sent_that_may_belong_to_a_stop() =>
        Gen.Select(Stops, Letters, Cuts).Sample(
            (stops, text, cuts) =>
            {
                var matcher = new StopMatcher(new StopTexts(stops, includeInOutput: false));
                var sent = new StringBuilder();
                int given = 0;
                foreach (string piece in Pieces(text, cuts))
                {
                    bool stopped = matcher.Append(piece);
                    given += piece.Length;
                    sent.Append(matcher.TakeText());
                    if (stopped)
                        break;
                    int longest = stops.Length == 0 ? 0 : stops.Max(stop => stop.Length) - 1;
                    Assert.Equal(Math.Max(0, given - longest), sent.Length);
                }

                matcher.Finish();
                sent.Append(matcher.TakeText());
                Assert.Equal(Search(stops, text, include: false).Text, sent.ToString());
            },
            seed: "0N0XIzNsQ0O2", iter: 3000);

    [Fact]
    public void Repetitive_text_and_many_stops_take_one_pass()
    {
        string[] stops = [.. Enumerable.Range(1, 200).Select(length => new string('a', length) + "b")];
        var matcher = new StopMatcher(new StopTexts(stops, includeInOutput: false));
        var piece = new string('a', 1000);
        for (int i = 0; i < 200; i++)
        {
            Assert.False(matcher.Append(piece));
            matcher.TakeText();
        }

        Assert.True(matcher.Append("b"));
        Assert.Equal("ab", matcher.Stop);
    }

    /// <summary>The obvious form: try every end in turn, and every stop there.</summary>
    private static (string Text, string? Stop) Search(string[] stops, string text, bool include)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            foreach (string stop in stops)
            {
                if (text[..end].EndsWith(stop, StringComparison.Ordinal))
                    return (include ? text[..end] : text[..(end - stop.Length)], stop);
            }
        }

        return (text, null);
    }

    private static List<string> Pieces(string text, int[] cuts)
    {
        var pieces = new List<string>();
        int start = 0;
        foreach (int cut in cuts.Where(cut => cut <= text.Length).Order())
        {
            pieces.Add(text[start..cut]);
            start = cut;
        }

        pieces.Add(text[start..]);
        return pieces;
    }

    private static (string Text, string? Stop) Run(string[] stops, IReadOnlyList<string> pieces, bool include = false)
    {
        var matcher = new StopMatcher(new StopTexts(stops, include));
        var text = new StringBuilder();
        foreach (string piece in pieces)
        {
            matcher.Append(piece);
            text.Append(matcher.TakeText());
        }

        matcher.Finish();
        return (text.Append(matcher.TakeText()).ToString(), matcher.Stop);
    }
}
