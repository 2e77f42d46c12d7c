using System;
using System.Collections.Generic;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Quire.Tokenization.Loading;
using Quire.Tokenization.Normalizers;

namespace Quire.Tokenization.Tests;

public sealed class NormalizerTests
{
    [Theory]
    [InlineData("""{"type": "Nmt"}""", "a\tb\u0001c\u200Bd\u007F▁", "a bc d ")]
    [InlineData("""{"type": "StripAccents"}""", "e\u0301é", "eé")]
    [InlineData("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}""", "Éa", "Ea")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}""", "a  b c   ", "a▁b c▁")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": "x"}, "content": "y"}""", "😀x😀", "😀y😀")]
    [InlineData("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}""", "Café\t你\u0000B", "cafe  你 b")]
    [InlineData("""{"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "strip_accents": false, "lowercase": true}""", "Café\t你", "café\t你")]
    public void Characters_are_replaced_as_the_kind_says(string json, string text, string expected) =>
        Assert.Equal(expected, NormalizerReader.Read(JsonPart.Parse("f", Encoding.UTF8.GetBytes(json)))!.Apply(text));

    [Fact]
    public void A_character_map_replaces_graphemes_and_characters()
    {
        byte[] map = Map(("ﬁ", "fi"), ("é", "E"), ("\u00A0", " "));
        CharacterMap normalizer = CharacterMap.TryRead(map)!;
        Assert.Equal("fi E xyz", normalizer.Apply("ﬁ é\u00A0xyz".Replace("é ", "é", StringComparison.Ordinal)));
        string json = JsonSerializer.Serialize(new Dictionary<string, string> { ["type"] = "Precompiled", ["precompiled_charsmap"] = Convert.ToBase64String(map) });
        Assert.Equal("fi", NormalizerReader.Read(JsonPart.Parse("f", Encoding.UTF8.GetBytes(json)))!.Apply("ﬁ"));
    }

    [Fact]
    public void Damaged_character_maps_are_refused_or_stay_inside_their_table()
    {
        byte[] valid = Map(("ﬁ", "fi"), ("é", "E"));
        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = random.Next(4) == 0 ? valid[..random.Next(valid.Length)] : (byte[])valid.Clone();
            for (int i = 0; i < 20 && bytes.Length > 0; i++)
                bytes[random.Next(random.Next(2) == 0 ? bytes.Length : Math.Min(8, bytes.Length))] = (byte)random.Next(256);
            CharacterMap.TryRead(bytes)?.Apply("ﬁ é abc ﬃ 你\u0301\0");
        }
    }

    // Every state has 256 places of its own, so that no two share one.
    private static byte[] Map(params (string From, string To)[] entries)
    {
        var units = new List<uint>(new uint[256]);
        var texts = new List<byte>();
        int states = 1;
        var bases = new Dictionary<int, int> { [0] = 256 };
        units.AddRange(new uint[256]);
        units[0] = Offset(0, 256);
        foreach ((string from, string to) in entries)
        {
            int node = 0;
            foreach (byte value in Encoding.UTF8.GetBytes(from))
            {
                int child = bases[node] ^ value;
                if (!bases.ContainsKey(child))
                {
                    bases[child] = 256 * ++states;
                    units.AddRange(new uint[256]);
                    units[child] = value | Offset(child, bases[child]);
                }
                node = child;
            }
            units[node] |= 1 << 8;
            units[bases[node]] = 0x8000_0000 | (uint)texts.Count;
            texts.AddRange(Encoding.UTF8.GetBytes(to));
            texts.Add(0);
        }
        var bytes = new byte[4 + 4 * units.Count];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(4 * units.Count));
        for (int i = 0; i < units.Count; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 + 4 * i), units[i]);
        return [.. bytes, .. texts];

        static uint Offset(int node, int target) => (uint)(node ^ target) << 10;
    }
}
