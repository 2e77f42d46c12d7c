using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using Quire.Tokenization.Engines;

namespace Quire.Tokenization.Tests;

public sealed class TekkenTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tekken").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The same vocabulary as Hugging Face keeps it gives the recorded ids and texts.</summary>
    [Fact]
    public void Mistral_Nemo_in_this_format_gives_the_ids_of_the_reference()
    {
        string folder = Path.Combine(TestFiles.Goldens, "tokenizers", "mistral_nemo");
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not here");
        JsonNode reference = JsonNode.Parse(TestFiles.Unpack(Path.Combine(folder, "tokenizer.json.gz")))!;
        JsonObject file = new()
        {
            ["config"] = new JsonObject
            {
                ["pattern"] = reference["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"]!.GetValue<string>(),
                ["default_vocab_size"] = 131_072,
                ["default_num_special_tokens"] = 1000,
                ["version"] = "v7",
            },
            ["special_tokens"] = new JsonArray([.. reference["added_tokens"]!.AsArray().Take(14).Select(token => Control(token!["id"]!.GetValue<int>(), token["content"]!.GetValue<string>()))]),

            // Files have more tokens than the model uses.
            ["vocab"] = new JsonArray([.. reference["model"]!["vocab"]!.AsObject().Where(entry => entry.Value!.GetValue<int>() >= 1000)
                .OrderBy(entry => entry.Value!.GetValue<int>()).Select((entry, rank) => Entry(rank, ByteAlphabet.BytesOf(entry.Key))), Entry(130_072, "unused"u8.ToArray())]),
        };
        ITokenizer tokenizer = Load(file);
        Assert.Equal(131_072, tokenizer.VocabularySize);
        JsonElement golden = JsonSerializer.Deserialize<JsonElement>(TestFiles.Unpack(Path.Combine(TestFiles.Goldens, "tokenizers", "expected.json.gz")));
        string[] texts = golden.GetProperty("texts").Deserialize<string[]>()!;
        JsonElement expected = golden.GetProperty("tokenizers").GetProperty("mistral_nemo");
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(expected.GetProperty("encode")[i].Deserialize<int[]>()!, tokenizer.Encode(texts[i], addSpecialTokens: true));
            int[] plain = expected.GetProperty("encode_plain")[i].Deserialize<int[]>()!;
            Assert.Equal(plain, tokenizer.Encode(texts[i], addSpecialTokens: false));
            Assert.Equal(expected.GetProperty("decode")[i].GetString(), tokenizer.Decode(plain, skipSpecialTokens: false));
        }
    }

    [Fact]
    public void A_file_that_lists_no_control_tokens_has_those_of_its_time_and_fillers()
    {
        JsonObject file = Tiny(controls: 24);
        file.Remove("special_tokens");
        ITokenizer tokenizer = Load(file);
        Assert.Equal("[INST]", tokenizer.IdToToken(3));
        Assert.Equal("<SPECIAL_23>", tokenizer.IdToToken(23));
        Assert.Equal([1, 3, 24 + 256, 24 + 'c'], tokenizer.Encode("[INST]abc", addSpecialTokens: true));
        Assert.Equal(("<s>", 1, "</s>", 2, "<pad>", 11), (tokenizer.Special.Bos!.Text, tokenizer.Special.Bos.Id!.Value, tokenizer.Special.Eos!.Text, tokenizer.Special.Eos.Id!.Value, tokenizer.Special.Pad!.Text, tokenizer.Special.Pad.Id!.Value));
        Assert.Equal("abc", tokenizer.Decode([1, 3, 24 + 256, 24 + 'c'], skipSpecialTokens: true));
    }

    [Fact]
    public void Tokens_that_are_no_control_tokens_and_configured_ends_are_as_the_files_say()
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"add_bos_token": false, "add_eos_token": true}""");
        JsonObject file = Tiny(controls: 5);
        file["special_tokens"]!.AsArray().Add(new JsonObject { ["rank"] = 3, ["token_str"] = "[THINK]", ["is_control"] = false });
        ITokenizer tokenizer = Load(file);
        Assert.False(tokenizer.IsSpecial(3));
        Assert.True(tokenizer.IsSpecial(4));
        Assert.Equal([3, 5 + 'x', 2], tokenizer.Encode("[THINK]x", addSpecialTokens: true));
    }

    [Theory]
    [InlineData("""["config"]["default_vocab_size"]""", "300", "has 257 entries; config.default_vocab_size asks for 295")]
    [InlineData("""["config"]["default_vocab_size"]""", "3", "must be an integer from 5 to 4194304")]
    [InlineData("""["config"]["default_num_special_tokens"]""", "9999999", "must be an integer from 0 to 65536")]
    [InlineData("""["config"]["default_num_special_tokens"]""", "2", "has more entries than config.default_num_special_tokens, 2")]
    [InlineData("""["config"]["pattern"]""", "\"(\"", "is not a regular expression")]
    [InlineData("""["config"]""", "null", "must be an object")]
    [InlineData("""["vocab"][7]["rank"]""", "8", "must be 7")]
    [InlineData("""["vocab"][7]["token_bytes"]""", "\"!\"", "must be one byte or more in Base64")]
    [InlineData("""["vocab"][7]["token_bytes"]""", "\"CQ==\"", "must be the byte 7")]
    [InlineData("""["vocab"][256]["token_bytes"]""", "\"YQ==\"", "is the token of rank 97 again")]
    [InlineData("""["special_tokens"][1]["token_str"]""", "\"<unk>\"", "must be a text that no other control token has")]
    [InlineData("""["special_tokens"][1]["token_str"]""", "\"<SPECIAL_4>\"", "the name of the filler of id 4")]
    [InlineData("""["special_tokens"][1]["rank"]""", "2", "must be 1")]
    public void What_is_wrong_is_named(string path, string value, string problem)
    {
        JsonObject file = Tiny(controls: 5);
        string[] steps = path.Trim('[', ']').Split("][");
        JsonNode node = file;
        foreach (string step in steps[..^1])
            node = step[0] == '"' ? node[step.Trim('"')]! : node[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)]!;
        node[steps[^1].Trim('"')] = JsonNode.Parse(value);
        Assert.Contains(problem, Assert.Throws<TokenizerException>(() => Load(file)).Message, StringComparison.Ordinal);
    }

    private ITokenizer Load(JsonObject file)
    {
        File.WriteAllText(Path.Combine(_folder, "tekken.json"), file.ToJsonString());
        return TokenizerLoader.Load(_folder);
    }

    /// <summary>The bytes and "ab".</summary>
    private static JsonObject Tiny(int controls) => new()
    {
        ["config"] = new JsonObject { ["pattern"] = @"\S+|\s+", ["default_vocab_size"] = controls + 257, ["default_num_special_tokens"] = controls, ["version"] = "v11" },
        ["special_tokens"] = new JsonArray(Control(0, "<unk>"), Control(1, "<s>"), Control(2, "</s>")),
        ["vocab"] = new JsonArray([.. Enumerable.Range(0, 256).Select(value => Entry(value, [(byte)value])), Entry(256, "ab"u8.ToArray())]),
    };

    private static JsonObject Control(int rank, string text) => new() { ["rank"] = rank, ["token_str"] = text, ["is_control"] = true };

    private static JsonObject Entry(int rank, byte[] bytes) => new() { ["rank"] = rank, ["token_bytes"] = Convert.ToBase64String(bytes), ["token_str"] = null };
}
