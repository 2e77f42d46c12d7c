using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Tokenization.Chat;

namespace Quire.Tokenization.Tests;

public sealed class ChatTemplateTests
{
    private static readonly TemplateValue OneMessage = TemplateValue.FromJson(
        JsonSerializer.Deserialize<JsonElement>("""[{"role": "user", "content": "Hi"}]"""));

    [Fact]
    public void Absent_tools_are_none_and_given_ones_a_list()
    {
        const string Source = "{{ tools is defined }} {{ tools is none }} {{ documents }} {{ add_generation_prompt }}";
        Assert.Equal("True True None False", Render(Source));
        var input = new ChatTemplateInput { Messages = OneMessage, Tools = TemplateValue.List([TemplateValue.From("t")]), AddGenerationPrompt = true };
        Assert.Equal("True False None True", ChatTemplate.Parse(Source).Render(input));
    }

    [Fact]
    public void Special_tokens_and_extra_variables_are_known_by_name()
    {
        var input = new ChatTemplateInput
        {
            Messages = OneMessage,
            SpecialTokens = new Dictionary<string, string> { ["bos_token"] = "<s>" },
            Extra = new Dictionary<string, TemplateValue> { ["enable_thinking"] = TemplateValue.From(false), ["messages"] = TemplateValue.None },
        };
        Assert.Equal("<s> False Hi", ChatTemplate.Parse("{{ bos_token }}{{ eos_token }} {{ enable_thinking }} {{ messages[0].content }}").Render(input));
    }

    [Fact]
    public void A_template_tells_which_variables_it_reads()
    {
        ChatTemplate template = ChatTemplate.Parse("{% set x = enable_thinking %}{% if tools %}{% endif %}");
        Assert.True(template.ReadsVariable("enable_thinking"));
        Assert.True(template.ReadsVariable("tools"));
        Assert.False(template.ReadsVariable("documents"));
    }

    [Fact]
    public void The_time_is_the_callers()
    {
        var now = new DateTimeOffset(2024, 3, 7, 15, 4, 9, TimeSpan.FromHours(2));
        var input = new ChatTemplateInput { Messages = OneMessage, Now = now };
        string source = "{{ strftime_now('%d %b %Y|%A %B %-d|%H:%M:%S %I %p|%j %y %m %e|%F %T|%U %W %u %w|%%|%Q') }}";
        Assert.Equal("07 Mar 2024|Thursday March 7|15:04:09 03 PM|067 24 03  7|2024-03-07 15:04:09|09 10 4 4|%|%Q", ChatTemplate.Parse(source).Render(input));
    }

    [Fact]
    public void A_refusal_of_the_template_keeps_its_words_and_its_line()
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => Render("a\nb\n{{ raise_exception('only users') }}"));
        Assert.Equal((ChatTemplateErrorKind.Raised, "only users", 3), (error.Kind, error.Message, error.Line));
    }

    [Fact]
    public void An_error_of_the_syntax_has_its_line()
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("a\n{% if x %}\n{{ y z }}"));
        Assert.Equal((ChatTemplateErrorKind.Syntax, "expected token 'end of print statement', got 'z'", 3), (error.Kind, error.Message, error.Line));
    }

    [Fact]
    public async Task One_template_renders_for_many_threads_at_once()
    {
        ChatTemplate template = ChatTemplateLoader.Load(TestFiles.QuillFolder)!.Default;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                string text = $"{worker} {i}";
                TemplateValue message = TemplateValue.Dictionary([new("role", TemplateValue.From("user")), new("content", TemplateValue.From(text))]);
                string rendered = template.Render(new ChatTemplateInput { Messages = TemplateValue.List([message]) });
                Assert.Equal($"<|im_start|>user\n{text}<|im_end|>\n", rendered);
            }
        })));
    }

    [Theory]
    [InlineData("{% for m in messages %}{{ m.content }}{% endfor %}", false)]
    [InlineData("{% for m in messages %}{% for part in m.content %}{% endfor %}{% endfor %}", true)]
    [InlineData("{% for m in messages %}{% for part in m['content'] | list %}{% endfor %}{% endfor %}", true)]
    [InlineData("{% set rest = messages[1:] %}{% for m in rest %}{% for part in m['content'] %}{% endfor %}{% endfor %}", true)]
    [InlineData("{% set a = messages %}{% set b = a %}{% set a = b %}{% for m in b | reverse %}{% for p in m.content %}{% endfor %}{% endfor %}", true)]
    [InlineData("{% for m in messages %}{% for part in m.tool_calls %}{% endfor %}{% endfor %}", false)]
    [InlineData("{% for m in others %}{% for part in m.content %}{% endfor %}{% endfor %}", false)]
    public void A_template_that_walks_through_the_parts_of_content_is_recognised(string source, bool iterates) =>
        Assert.Equal(iterates, ChatTemplate.Parse(source).IteratesContent);

    [Fact]
    public void Json_values_print_as_pythons_do()
    {
        JsonElement json = JsonSerializer.Deserialize<JsonElement>("""
            {"i": 18446744073709551616, "f": 1.0, "e": 1e3, "s": "it's", "n": null, "t": true, "l": [1, {"x": []}], "d": {}}
            """);
        var input = new ChatTemplateInput { Messages = TemplateValue.FromJson(json) };
        Assert.Equal(
            "{'i': 18446744073709551616, 'f': 1.0, 'e': 1000.0, 's': \"it's\", 'n': None, 't': True, 'l': [1, {'x': []}], 'd': {}}",
            ChatTemplate.Parse("{{ messages }}").Render(input));
        Assert.Equal(
            """{"i": 18446744073709551616, "f": 1.0, "e": 1000.0, "s": "it's", "n": null, "t": true, "l": [1, {"x": []}], "d": {}}""",
            ChatTemplate.Parse("{{ messages | tojson }}").Render(input));
    }

    [Fact]
    public void Values_from_outside_that_are_not_unicode_or_nest_too_deeply_are_refused()
    {
        Assert.Throws<ChatTemplateException>(() => TemplateValue.FromJson(JsonSerializer.Deserialize<JsonElement>("\"\\ud800\"")));
        var options = new JsonDocumentOptions { MaxDepth = 100_000 };
        JsonElement deep = JsonDocument.Parse(new string('[', 5000) + new string(']', 5000), options).RootElement;
        Assert.Equal(ChatTemplateErrorKind.Limit, Assert.Throws<ChatTemplateException>(() => TemplateValue.FromJson(deep)).Kind);
    }

    [Fact]
    public void A_folder_may_hold_its_template_in_any_of_the_usual_places()
    {
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Directory.CreateDirectory(folder);
        try
        {
            Assert.Null(ChatTemplateLoader.Load(folder));
            File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"model_max_length": 5}""");
            Assert.Null(ChatTemplateLoader.Load(folder));
            File.WriteAllText(
                Path.Combine(folder, "tokenizer_config.json"),
                """{"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}, {"name": "rag", "template": "{{"}]}""");
            ChatTemplateSet named = ChatTemplateLoader.Load(folder)!;
            Assert.Equal(("D", "T"), (named.For(hasTools: false).Source, named.For(hasTools: true).Source));
            File.WriteAllText(Path.Combine(folder, "chat_template.json"), """{"chat_template": "J"}""");
            ChatTemplateSet json = ChatTemplateLoader.Load(folder)!;
            Assert.Equal(("J", "J"), (json.For(hasTools: false).Source, json.For(hasTools: true).Source));
            string file = Path.Combine(folder, "chat_template.jinja");
            File.WriteAllText(file, "F");
            Assert.Equal("F", ChatTemplateLoader.Load(folder)!.Default.Source);
            Assert.Equal("F", ChatTemplateLoader.LoadExplicit(file).Source);
            Assert.Equal("{{ 1 }}", ChatTemplateLoader.LoadExplicit("{{ 1 }}").Source);
            Assert.Contains("neither a file nor a template", Assert.Throws<TokenizerException>(() => ChatTemplateLoader.LoadExplicit("nowhere")).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_caller_that_gives_up_is_heard()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        ChatTemplate template = ChatTemplate.Parse("{% for i in range(100000) %}{{ i }}{% endfor %}");
        Assert.Throws<OperationCanceledException>(() => template.Render(new ChatTemplateInput { Messages = OneMessage }, source.Token));
    }

    private static string Render(string source) => ChatTemplate.Parse(source).Render(new ChatTemplateInput { Messages = OneMessage });
}
