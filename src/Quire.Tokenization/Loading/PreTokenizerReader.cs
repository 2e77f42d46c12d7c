using System;
using System.Collections.Generic;
using System.Text;
using Quire.Tokenization.PreTokenizers;

namespace Quire.Tokenization.Loading;

/// <summary>Reads the <c>pre_tokenizer</c> of a <c>tokenizer.json</c>.</summary>
internal sealed class PreTokenizerReader
{
    // Steps hand pieces to each other by calls, so their number bounds the depth of the stack.
    private const int StepsMax = 32;

    private static readonly TimeSpan MatchTimeLimit = TimeSpan.FromSeconds(2);

    private readonly List<PreTokenizer> _steps = [];

    private PreTokenizerReader()
    {
    }

    /// <summary>Whether the model works on bytes: the last step is <c>ByteLevel</c>.</summary>
    public bool ByteLevel { get; private set; }

    public PreTokenizer[] Steps => _steps.ToArray();

    public static PreTokenizerReader Read(JsonPart part)
    {
        var reader = new PreTokenizerReader();
        if (!part.IsNull)
            reader.Add(part);
        return reader;
    }

    private void Add(JsonPart part)
    {
        if (ByteLevel)
            throw part.Error("comes after ByteLevel, which must be the last pre-tokenizer");
        if (_steps.Count >= StepsMax)
            throw part.Error($"is one pre-tokenizer too many: at most {StepsMax} are supported");
        string type = part.TypeName();
        switch (type)
        {
            case "Sequence":
                foreach (JsonPart item in part.Field("pretokenizers").Items())
                    Add(item);
                break;
            case "ByteLevel":
                if (part.Field("add_prefix_space").Flag(true))
                    _steps.Add(new PrefixSpace());
                if (part.Field("use_regex").Flag(true))
                    _steps.Add(new ScannerSplit(new Gpt2Scanner()));
                ByteLevel = true;
                break;
            case "Split":
                _steps.Add(ReadSplit(part));
                break;
            case "Metaspace":
                _steps.Add(ReadMetaspace(part));
                break;
            case "Digits":
                bool alone = part.Field("individual_digits").Flag(false);
                AddRuneSplit(RuneFinder.IsNumeric, alone ? SplitBehavior.Isolated : SplitBehavior.Contiguous);
                break;
            case "Punctuation":
                AddRuneSplit(RuneFinder.IsPunctuation, ReadBehavior(part, "Isolated"));
                break;
            case "WhitespaceSplit":
                AddRuneSplit(Rune.IsWhiteSpace, SplitBehavior.Removed);
                break;
            case "Whitespace":
                _steps.Add(new MatchSplit(new RegexFinder(@"\w+|[^\w\s]+", MatchTimeLimit), SplitBehavior.Removed, invert: true));
                break;
            case "BertPreTokenizer":
                AddRuneSplit(Rune.IsWhiteSpace, SplitBehavior.Removed);
                AddRuneSplit(RuneFinder.IsPunctuation, SplitBehavior.Isolated);
                break;
            default:
                throw part.Field("type").Error("names a pre-tokenizer that is not supported "
                    + "(supported: Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer)");
        }
    }

    private void AddRuneSplit(Func<Rune, bool> accepts, SplitBehavior behavior) =>
        _steps.Add(new MatchSplit(new RuneFinder(accepts), behavior, invert: false));

    private static PreTokenizer ReadSplit(JsonPart part)
    {
        SplitBehavior behavior = ReadBehavior(part, absent: null);
        bool invert = part.Field("invert").Flag(false);
        JsonPart pattern = part.Field("pattern");
        JsonPart literal = pattern.Field("String");
        if (!literal.IsNull)
        {
            if (literal.Text().Length == 0)
                throw literal.Error("must not be empty");
            return new MatchSplit(new LiteralFinder(literal.Text()), behavior, invert);
        }
        JsonPart regex = pattern.Field("Regex");
        // The known patterns match every character, so that removing what lies between matches isolates them as well.
        bool isolates = (behavior == SplitBehavior.Isolated && !invert) || (behavior == SplitBehavior.Removed && invert);
        return isolates && PatternScanner.Known(regex.Text()) is { } scanner
            ? new ScannerSplit(scanner)
            : new MatchSplit(MakeRegex(regex), behavior, invert);
    }

    /// <summary>The finder of a pattern from a file.</summary>
    public static RegexFinder MakeRegex(JsonPart regex)
    {
        string pattern = regex.Text();
        if (RegexDialect.FindForeign(pattern) is { } foreign)
            throw regex.Error($"uses {foreign}, which is not supported");
        try
        {
            return new RegexFinder(pattern, MatchTimeLimit);
        }
        catch (ArgumentException exception)
        {
            throw regex.Error($"is not a regular expression that is supported ({exception.Message})");
        }
    }

    private static MetaspaceSplit ReadMetaspace(JsonPart part)
    {
        JsonPart replacement = part.Field("replacement");
        string mark = replacement.OptionalText() ?? "▁";
        if (mark.Length != 1)
            throw replacement.Error("must be one character");
        return new MetaspaceSplit(mark[0], ReadPrependScheme(part), part.Field("split").Flag(true));
    }

    /// <summary>The scheme of a <c>Metaspace</c> part; older files say <c>add_prefix_space</c> instead.</summary>
    public static PrependScheme ReadPrependScheme(JsonPart part)
    {
        JsonPart scheme = part.Field("prepend_scheme");
        return scheme.OptionalText() switch
        {
            null => part.Field("add_prefix_space").Flag(true) ? PrependScheme.Always : PrependScheme.Never,
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw scheme.Error("must be always, first or never"),
        };
    }

    private static SplitBehavior ReadBehavior(JsonPart part, string? absent)
    {
        JsonPart behavior = part.Field("behavior");
        return (behavior.OptionalText() ?? absent) switch
        {
            "Removed" => SplitBehavior.Removed,
            "Isolated" => SplitBehavior.Isolated,
            "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
            "MergedWithNext" => SplitBehavior.MergedWithNext,
            "Contiguous" => SplitBehavior.Contiguous,
            _ => throw behavior.Error("must be Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous"),
        };
    }
}
