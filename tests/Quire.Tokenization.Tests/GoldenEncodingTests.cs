using System.IO;
using System.Linq;
using System.Text.Json;

namespace Quire.Tokenization.Tests;

/// <summary>Ids and texts that the Hugging Face library gave for the same tokenizer files.</summary>
public sealed class GoldenEncodingTests
{
    public static TheoryData<string> Names => ["quill", "qwen3", "llama3", "mistral_nemo", "llama2", "gemma3"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Encoding_with_special_tokens_is_that_of_the_reference(string name) =>
        CompareIds(name, "encode", addSpecialTokens: true);

    [Theory]
    [MemberData(nameof(Names))]
    public void Encoding_without_special_tokens_is_that_of_the_reference(string name) =>
        CompareIds(name, "encode_plain", addSpecialTokens: false);

    [Theory]
    [MemberData(nameof(Names))]
    public void Decoding_that_keeps_special_tokens_is_that_of_the_reference(string name) =>
        CompareTexts(name, "encode_plain", "decode", skipSpecialTokens: false);

    [Theory]
    [MemberData(nameof(Names))]
    public void Decoding_that_skips_special_tokens_is_that_of_the_reference(string name) =>
        CompareTexts(name, "encode", "decode_skip", skipSpecialTokens: true);

    private static void CompareIds(string name, string field, bool addSpecialTokens)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        (string[] texts, JsonElement expected) = Expected(name);
        Assert.Equal(texts.Length, expected.GetProperty(field).GetArrayLength());
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = expected.GetProperty(field)[i].Deserialize<int[]>()!;
            Assert.True(ids.SequenceEqual(tokenizer.Encode(texts[i], addSpecialTokens)),
                $"{name} text {i}: {texts[i]}\nexpected {string.Join(' ', ids)}\nactual   {string.Join(' ', tokenizer.Encode(texts[i], addSpecialTokens))}");
        }
    }

    private static void CompareTexts(string name, string idsField, string textField, bool skipSpecialTokens)
    {
        ITokenizer tokenizer = TestFiles.Tokenizer(name);
        (string[] texts, JsonElement expected) = Expected(name);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = expected.GetProperty(idsField)[i].Deserialize<int[]>()!;
            Assert.Equal(expected.GetProperty(textField)[i].GetString(), tokenizer.Decode(ids, skipSpecialTokens));
        }
    }

    // What concerns the model that ships is in the repository; the rest is beside it.
    private static (string[] Texts, JsonElement Expected) Expected(string name)
    {
        string path = name == "quill" ? TestFiles.Data("quill-encodings.json.gz") : Path.Combine(TestFiles.Goldens, "tokenizers", "expected.json.gz");
        JsonElement root = JsonSerializer.Deserialize<JsonElement>(TestFiles.Unpack(path));
        return (root.GetProperty("texts").Deserialize<string[]>()!, root.GetProperty("tokenizers").GetProperty(name));
    }
}
