using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Keeps text of a conversation from becoming control tokens. Before a template runs, the first character of every control token that a message, a
/// tool or a document spells or begins is replaced by a character that stands nowhere else; in what the template makes of it these characters are put
/// back and their places noted, for the tokenizer. So it does not matter what the template does with the text, the template's own control tokens
/// stay what they are, and everything else is encoded as one text, as without a guard.
/// </summary>
internal sealed class MessageGuard
{
    private readonly ControlTokens _tokens;
    private readonly Dictionary<char, char> _standInOf = [];
    private readonly Dictionary<char, char> _originalOf = [];

    private MessageGuard(ControlTokens tokens, IReadOnlySet<char> taken)
    {
        _tokens = tokens;
        int next = 0;
        foreach (char first in tokens.FirstCharacters)
        {
            char standIn;
            do
            {
                standIn = Candidate(next++);
            }
            while (taken.Contains(standIn));
            _standInOf.Add(first, standIn);
            _originalOf.Add(standIn, first);
        }
    }

    /// <summary>A guard for a conversation; null where nothing in it spells or begins a control token, which is nearly always.</summary>
    public static MessageGuard? For(ControlTokens tokens, string template, ChatTemplateInput input)
    {
        if (tokens.FirstCharacters.Length == 0
            || !(Occurs(tokens, input.Messages) || Occurs(tokens, input.Tools) || Occurs(tokens, input.Documents)))
        {
            return null;
        }

        var taken = new HashSet<char>();
        AddCandidates(template, taken);
        foreach (TemplateValue? value in (ReadOnlySpan<TemplateValue?>)[input.Messages, input.Tools, input.Documents])
            AddCandidates(value, taken);
        foreach (TemplateValue value in input.Extra?.Values ?? [])
            AddCandidates(value, taken);
        return new MessageGuard(tokens, taken);
    }

    /// <summary>The conversation with stand-ins.</summary>
    public ChatTemplateInput Apply(ChatTemplateInput input) => input with
    {
        Messages = Apply(input.Messages),
        Tools = input.Tools is null ? null : Apply(input.Tools),
        Documents = input.Documents is null ? null : Apply(input.Documents),
    };

    /// <summary>The text of a template with the characters themselves again, and their places.</summary>
    public GuardedText Restore(string text)
    {
        var places = new List<int>();
        char[] restored = text.ToCharArray();
        for (int i = 0; i < restored.Length; i++)
        {
            if (_originalOf.TryGetValue(restored[i], out char original))
            {
                restored[i] = original;
                places.Add(i);
            }
        }

        return new GuardedText(new string(restored), places.ToArray());
    }

    private TemplateValue Apply(TemplateValue value)
    {
        switch (value)
        {
            case StringValue text:
                return new StringValue(Apply(text.Value));
            case ListValue list:
                return new ListValue(Array.ConvertAll(list.Items, Apply), list.Kind, list.ViewName);
            case DictionaryValue dictionary:
                var builder = new DictionaryBuilder();
                foreach (KeyValuePair<TemplateValue, TemplateValue> item in dictionary.Items)
                    builder.Set(Apply(item.Key), Apply(item.Value));
                return builder.Build();
            default:
                return value;
        }
    }

    private string Apply(string text)
    {
        if (ControlTokens.EndOf(text) is not { } end)
            return text;
        int place = _tokens.Find(text, 0, end);
        if (place < 0)
            return text;
        char[] marked = text.ToCharArray();
        for (; place >= 0; place = _tokens.Find(text, place + 1, end))
            marked[place] = _standInOf[text[place]];
        return new string(marked);
    }

    private static bool Occurs(ControlTokens tokens, TemplateValue? value)
    {
        switch (value)
        {
            case StringValue text:
                return ControlTokens.EndOf(text.Value) is { } end && tokens.Find(text.Value, 0, end) >= 0;
            case ListValue list:
                return Array.Exists(list.Items, item => Occurs(tokens, item));
            case DictionaryValue dictionary:
                foreach (KeyValuePair<TemplateValue, TemplateValue> item in dictionary.Items)
                {
                    if (Occurs(tokens, item.Key) || Occurs(tokens, item.Value))
                        return true;
                }

                return false;
            default:
                return false;
        }
    }

    /// <summary>Noncharacters, which no text should have; then those for private use.</summary>
    private static char Candidate(int number) => number < 32 ? (char)(0xFDD0 + number)
        : number < 32 + 6400 ? (char)(0xE000 + number - 32)
        : throw new ChatTemplateException(ChatTemplateErrorKind.Limit, "The conversation uses every character of Unicode's private use area.");

    private static void AddCandidates(TemplateValue? value, HashSet<char> taken)
    {
        switch (value)
        {
            case StringValue text:
                AddCandidates(text.Value, taken);
                break;
            case ListValue list:
                foreach (TemplateValue item in list.Items)
                    AddCandidates(item, taken);
                break;
            case DictionaryValue dictionary:
                foreach (KeyValuePair<TemplateValue, TemplateValue> item in dictionary.Items)
                {
                    AddCandidates(item.Key, taken);
                    AddCandidates(item.Value, taken);
                }

                break;
        }
    }

    private static void AddCandidates(string text, HashSet<char> taken)
    {
        ReadOnlySpan<char> rest = text;
        for (int i; (i = rest.IndexOfAnyInRange('\uE000', '\uFDEF')) >= 0; rest = rest[(i + 1)..])
            taken.Add(rest[i]);
    }
}
