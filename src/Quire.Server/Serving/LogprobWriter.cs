using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text.Json;
using Quire.Engine.Streaming;
using Quire.Tokenization;

namespace Quire.Server.Serving;

/// <summary>Log-probabilities in the forms of the two OpenAI routes, and vLLM's prompt log-probabilities.</summary>
internal static class LogprobWriter
{
    /// <summary>What stands for the logarithm of zero: JSON has no infinity.</summary>
    public const float Floor = -9999f;

    private const int ScannedEntriesMax = 32;

    public static float Floored(float logprob) => logprob >= Floor ? logprob : Floor;

    /// <summary>The text of a token, or its number for clients that asked for numbers.</summary>
    public static string Shown(in TokenLogprob entry, bool asTokenId) =>
        asTokenId ? "token_id:" + entry.TokenId.ToString(CultureInfo.InvariantCulture) : entry.Token;

    /// <summary>The chat form: <c>{"content":[{"token","logprob","bytes","top_logprobs"}]}</c>, for exactly these tokens.</summary>
    /// <param name="json">Where to write.</param>
    /// <param name="logprobs">One entry a token.</param>
    /// <param name="top">Entries of <c>top_logprobs</c>; −1 is all.</param>
    /// <param name="asTokenIds">Whether tokens are written <c>token_id:N</c>.</param>
    public static void WriteChat(Utf8JsonWriter json, IReadOnlyList<TokenLogprobs> logprobs, int top, bool asTokenIds)
    {
        json.WriteStartObject("logprobs"u8);
        json.WriteStartArray("content"u8);
        for (int position = 0; position < logprobs.Count; position++)
        {
            IReadOnlyList<TokenLogprob> entries = logprobs[position].Entries;
            json.WriteStartObject();
            WriteChatEntry(json, entries[0], asTokenIds);
            json.WriteStartArray("top_logprobs"u8);
            int count = top < 0 ? entries.Count : Math.Min(top, entries.Count);
            for (int i = 0; i < count; i++)
            {
                json.WriteStartObject();
                WriteChatEntry(json, entries[i], asTokenIds);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>
    /// The completions form: four lists of equal length. A position without entries (the first prompt token) has its token's text and nulls.
    /// </summary>
    /// <param name="json">Where to write.</param>
    /// <param name="positions">The tokens, in order.</param>
    /// <param name="top">The k that was asked for: k + 1 entries are written; −1 is all.</param>
    /// <param name="asTokenIds">Whether tokens are written <c>token_id:N</c>.</param>
    /// <param name="offset">Characters before the first position.</param>
    /// <returns>Characters before the position after the last.</returns>
    public static int WriteCompletion(Utf8JsonWriter json, IReadOnlyList<Position> positions, int top, bool asTokenIds, int offset)
    {
        json.WriteStartObject("logprobs"u8);
        json.WriteStartArray("text_offset"u8);
        foreach (Position position in positions)
        {
            json.WriteNumberValue(offset);
            offset += CodePoints(position.Shown(asTokenIds));
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs"u8);
        foreach (Position position in positions)
        {
            if (position.Logprobs is { } logprobs)
            {
                json.WriteNumberValue(Floored(logprobs.Entries[0].Logprob));
            }
            else
            {
                json.WriteNullValue();
            }
        }

        json.WriteEndArray();
        json.WriteStartArray("tokens"u8);
        foreach (Position position in positions)
        {
            json.WriteStringValue(position.Shown(asTokenIds));
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs"u8);
        foreach (Position position in positions)
        {
            WriteTop(json, position.Logprobs, top, asTokenIds);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        return offset;
    }

    /// <summary>vLLM's <c>prompt_logprobs</c>: a list with one object a prompt token, the first null.</summary>
    public static void WritePrompt(Utf8JsonWriter json, IReadOnlyList<TokenLogprobs?>? logprobs)
    {
        if (logprobs is null)
        {
            json.WriteNull("prompt_logprobs"u8);
            return;
        }

        json.WriteStartArray("prompt_logprobs"u8);
        foreach (TokenLogprobs? position in logprobs)
        {
            if (position is null)
            {
                json.WriteNullValue();
                continue;
            }

            json.WriteStartObject();
            foreach (TokenLogprob entry in position.Entries)
            {
                json.WriteStartObject(entry.TokenId.ToString(CultureInfo.InvariantCulture));
                json.WriteNumber("logprob"u8, Floored(entry.Logprob));
                json.WriteNumber("rank"u8, entry.Rank);
                json.WriteString("decoded_token"u8, entry.Token);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>The positions of generated tokens.</summary>
    public static void Append(List<Position> positions, IReadOnlyList<TokenLogprobs> logprobs)
    {
        foreach (TokenLogprobs entry in logprobs)
        {
            positions.Add(new Position(entry, entry.Entries[0].TokenId, entry.Entries[0].Token));
        }
    }

    /// <summary>The positions of a prompt, whose first has no log-probability.</summary>
    public static void Append(List<Position> positions, IReadOnlyList<int> promptTokenIds, IReadOnlyList<TokenLogprobs?>? logprobs, ITokenizer tokenizer)
    {
        for (int i = 0; i < promptTokenIds.Count; i++)
        {
            TokenLogprobs? entry = logprobs is not null && i < logprobs.Count ? logprobs[i] : null;
            int token = promptTokenIds[i];
            positions.Add(new Position(entry, token, entry?.Entries[0].Token ?? tokenizer.Decode([token], skipSpecialTokens: false)));
        }
    }

    private static void WriteChatEntry(Utf8JsonWriter json, in TokenLogprob entry, bool asTokenId)
    {
        json.WriteString("token"u8, Shown(entry, asTokenId));
        json.WriteNumber("logprob"u8, Floored(entry.Logprob));
        json.WriteStartArray("bytes"u8);
        Span<byte> bytes = stackalloc byte[256];
        int length = System.Text.Encoding.UTF8.GetByteCount(entry.Token);
        if (length > bytes.Length)
        {
            bytes = new byte[length];
        }

        length = System.Text.Encoding.UTF8.GetBytes(entry.Token, bytes);
        foreach (byte value in bytes[..length])
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }

    /// <summary>An object by token text. Where two tokens have the same text, the place of the first and the value of the last remain.</summary>
    private static void WriteTop(Utf8JsonWriter json, TokenLogprobs? logprobs, int top, bool asTokenIds)
    {
        if (logprobs is null)
        {
            json.WriteNullValue();
            return;
        }

        IReadOnlyList<TokenLogprob> entries = logprobs.Entries;
        int count = top < 0 ? entries.Count : Math.Min(top + 1, entries.Count);
        json.WriteStartObject();
        if (count > ScannedEntriesMax)
        {
            var byText = new OrderedDictionary<string, float>(count);
            for (int i = 0; i < count; i++)
            {
                byText[Shown(entries[i], asTokenIds)] = entries[i].Logprob;
            }

            foreach ((string text, float logprob) in byText)
            {
                json.WriteNumber(text, Floored(logprob));
            }
        }
        else
        {
            for (int i = 0; i < count; i++)
            {
                WriteTopEntry(json, entries, i, count, asTokenIds);
            }
        }

        json.WriteEndObject();
    }

    private static void WriteTopEntry(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> entries, int index, int count, bool asTokenIds)
    {
        string text = Shown(entries[index], asTokenIds);
        float logprob = entries[index].Logprob;
        for (int other = 0; other < count; other++)
        {
            if (other == index || !string.Equals(Shown(entries[other], asTokenIds), text, StringComparison.Ordinal))
            {
                continue;
            }

            if (other < index)
            {
                return;
            }

            logprob = entries[other].Logprob;
        }

        json.WriteNumber(text, Floored(logprob));
    }

    private static int CodePoints(string text)
    {
        int count = 0;
        foreach (char character in text)
        {
            if (!char.IsLowSurrogate(character))
            {
                count++;
            }
        }

        return count;
    }

    /// <summary>A token of a text with what is known of its position.</summary>
    internal readonly record struct Position(TokenLogprobs? Logprobs, int TokenId, string Token)
    {
        public string Shown(bool asTokenId) => LogprobWriter.Shown(new TokenLogprob(TokenId, 0, 0, Token), asTokenId);
    }
}
