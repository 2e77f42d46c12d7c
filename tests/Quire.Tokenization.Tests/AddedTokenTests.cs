using System.Linq;
using System.Text.Json.Nodes;

namespace Quire.Tokenization.Tests;

public sealed class AddedTokenTests
{
    [Fact]
    public void Text_that_spells_a_special_token_becomes_it_as_in_the_reference()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        Assert.Equal([1, 2], tokenizer.Encode("<|im_start|><|im_end|>", addSpecialTokens: false));
    }

    [Fact]
    public void T10_text_from_outside_never_becomes_a_special_token_when_matching_is_off()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        string text = string.Concat(Enumerable.Repeat("<|im_start|>system\n<|endoftext|> ", 20_000));
        int[] ids = tokenizer.Encode(text, addSpecialTokens: false, matchSpecialTokens: false);
        Assert.DoesNotContain(ids, tokenizer.IsSpecial);
        Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: true));
        int[] matched = tokenizer.Encode(text, addSpecialTokens: false);
        Assert.Equal(40_000, matched.Count(tokenizer.IsSpecial));
    }

    [Fact]
    public void T10_a_special_token_that_is_a_whole_word_of_the_vocabulary_is_not_found_there_either()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        file["model"]!["ignore_merges"] = true;
        int id = TinyTokenizer.AddToken(file, "STOP", ("special", true));
        file["model"]!["vocab"]!["STOP"] = id;
        ITokenizer tokenizer = TinyTokenizer.Load(file);
        Assert.Equal(["STOP"], TinyTokenizer.Tokens(tokenizer, "STOP"));
        Assert.Equal(["S", "T", "O", "P"], TinyTokenizer.Tokens(tokenizer, "STOP", matchSpecialTokens: false));
    }

    [Fact]
    public void Added_tokens_that_are_not_special_match_either_way()
    {
        ITokenizer tokenizer = TestFiles.Tokenizer("quill");
        int id = tokenizer.TokenToId("<tool_call>")!.Value;
        Assert.Equal([id], tokenizer.Encode("<tool_call>", addSpecialTokens: false, matchSpecialTokens: false));
        Assert.Equal("<tool_call>", tokenizer.Decode([id], skipSpecialTokens: true));
    }

    [Fact]
    public void The_longest_of_the_tokens_that_begin_at_a_place_is_taken()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        TinyTokenizer.AddToken(file, "<a>");
        TinyTokenizer.AddToken(file, "<a><b>");
        TinyTokenizer.AddToken(file, "a><");
        Assert.Equal(["x", "<a><b>", "<a>", "c"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "x<a><b><a>c"));
    }

    [Fact]
    public void Tokens_take_the_white_space_that_their_flags_say()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        TinyTokenizer.AddToken(file, "<l>", ("lstrip", true));
        TinyTokenizer.AddToken(file, "<r>", ("rstrip", true));
        Assert.Equal(["a", "<l>", "Ġ", "b"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "a  <l> b"));
        Assert.Equal(["a", "Ġ", "<r>", "b"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "a <r> \n b"));
    }

    [Fact]
    public void A_single_word_token_matches_only_between_other_characters()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        TinyTokenizer.AddToken(file, "cat", ("single_word", true));
        Assert.Equal(["cat", "!"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "cat!"));
        Assert.Equal(["c", "a", "t", "s"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "cats"));
        Assert.Equal(["Ã", "©", "c", "a", "t"], TinyTokenizer.Tokens(TinyTokenizer.Load(file), "écat"));
    }

    [Fact]
    public void A_normalized_token_is_looked_for_in_the_normalized_text()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        file["normalizer"] = new JsonObject { ["type"] = "Lowercase" };
        int raw = TinyTokenizer.AddToken(file, "RAW");
        int normalized = TinyTokenizer.AddToken(file, "Norm");
        file["added_tokens"]![1]!["normalized"] = true;
        ITokenizer tokenizer = TinyTokenizer.Load(file);
        Assert.Equal([raw], tokenizer.Encode("RAW", addSpecialTokens: false));
        Assert.Equal(["r", "a", "w"], TinyTokenizer.Tokens(tokenizer, "raw"));
        Assert.Equal([normalized, normalized], tokenizer.Encode("NORMnorm", addSpecialTokens: false));
    }

    [Fact]
    public void The_configuration_decides_about_beginning_and_end_tokens()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        TinyTokenizer.AddToken(file, "<s>", ("special", true));
        TinyTokenizer.AddToken(file, "</s>", ("special", true));
        const string Tokens = "\"bos_token\": {\"content\": \"<s>\", \"lstrip\": false}, \"eos_token\": \"</s>\"";
        Assert.Equal(["a"], Encode(null));
        Assert.Equal(["a"], Encode($"{{{Tokens}}}"));
        Assert.Equal(["<s>", "a"], Encode($"{{{Tokens}, \"add_bos_token\": true}}"));
        Assert.Equal(["<s>", "a", "</s>"], Encode($"{{{Tokens}, \"add_bos_token\": true, \"add_eos_token\": true}}"));

        string[] Encode(string? config) => TinyTokenizer.Tokens(TinyTokenizer.Load(file, config), "a", addSpecialTokens: true);
    }

    [Fact]
    public void Tokens_with_a_role_are_special_and_known_by_name()
    {
        JsonObject file = TinyTokenizer.ByteLevel();
        ITokenizer tokenizer = TinyTokenizer.Load(file, """
            {"bos_token": null, "eos_token": "hello", "pad_token": "missing", "extra_special_tokens": {"image_token": "Ġw"},
             "added_tokens_decoder": {"300": {"content": "<new>", "special": true}}}
            """);
        Assert.Null(tokenizer.Special.Bos);
        Assert.Equal(new SpecialToken("hello", tokenizer.TokenToId("hello")), tokenizer.Special.Eos);
        Assert.Equal(new SpecialToken("missing", null), tokenizer.Special.Pad);
        Assert.True(tokenizer.IsSpecial(tokenizer.TokenToId("hello")!.Value));
        Assert.True(tokenizer.IsSpecial(tokenizer.TokenToId("Ġw")!.Value));
        Assert.Equal(300, tokenizer.TokenToId("<new>"));
        Assert.Equal(301, tokenizer.VocabularySize);
        Assert.Equal(["<new>"], TinyTokenizer.Tokens(tokenizer, "<new>"));
        Assert.Equal("Ġw", tokenizer.Special.Named["image_token"]);
    }
}
