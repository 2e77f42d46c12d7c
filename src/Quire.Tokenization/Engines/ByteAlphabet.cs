using System;
using System.Text;

namespace Quire.Tokenization.Engines;

/// <summary>
/// The printable stand-ins that byte-level vocabularies (GPT-2 and its heirs) use for the 256 byte values: printable Latin-1 characters
/// stand for themselves, the other 68 bytes for U+0100 and up, in order.
/// </summary>
internal static class ByteAlphabet
{
    private const int CharactersMax = 0x144;

    /// <summary>The character that stands for each byte.</summary>
    public static readonly char[] CharacterOf = MakeCharacters();

    // The byte of each character below U+0144, or -1.
    private static readonly short[] ByteOf = MakeBytes();

    public static bool TryGetByte(char character, out byte value)
    {
        int found = character < CharactersMax ? ByteOf[character] : -1;
        value = (byte)found;
        return found >= 0;
    }

    /// <summary>
    /// The bytes of a token: each character's byte or, when any character stands for no byte (added tokens), the UTF-8 of the token.
    /// </summary>
    public static byte[] BytesOf(string token)
    {
        return TryGetBytes(token, out byte[] bytes) ? bytes : Encoding.UTF8.GetBytes(token);
    }

    /// <summary>The bytes that the characters of a token stand for; false when one stands for none.</summary>
    public static bool TryGetBytes(string token, out byte[] bytes)
    {
        bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            if (!TryGetByte(token[i], out bytes[i]))
                return false;
        }
        return true;
    }

    /// <summary>Writes the stand-ins of <paramref name="bytes"/>; <paramref name="characters"/> must be as long.</summary>
    public static void Spell(ReadOnlySpan<byte> bytes, Span<char> characters)
    {
        for (int i = 0; i < bytes.Length; i++)
            characters[i] = CharacterOf[bytes[i]];
    }

    private static char[] MakeCharacters()
    {
        var characters = new char[256];
        int next = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is >= 0x21 and <= 0x7E or >= 0xA1 and <= 0xAC or >= 0xAE;
            characters[value] = (char)(printable ? value : next++);
        }
        return characters;
    }

    private static short[] MakeBytes()
    {
        var bytes = new short[CharactersMax];
        Array.Fill(bytes, (short)-1);
        char[] characters = MakeCharacters();
        for (int value = 0; value < 256; value++)
            bytes[characters[value]] = (short)value;
        return bytes;
    }
}
