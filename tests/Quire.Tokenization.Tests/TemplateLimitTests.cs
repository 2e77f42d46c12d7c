using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using Quire.Tokenization.Chat;

namespace Quire.Tokenization.Tests;

/// <summary>
/// Templates come with models from anywhere: whatever they say, they cost a bounded amount and fail only with the one exception.
/// </summary>
public sealed class TemplateLimitTests
{
    private const int Many = 100_000;

    private static readonly ChatTemplateLimits Small = new() { StepsMax = 200_000, TextMax = 100_000 };

    public static TheoryData<string, string> Nested => new()
    {
        { "{{ " + new string('(', Many), "parentheses" },
        { "{{ " + new string('[', Many), "lists" },
        { "{{ " + Repeat("{1:", Many), "dictionaries" },
        { "{{ " + Repeat("not ", Many) + "1 }}", "negations" },
        { "{{ " + new string('-', Many) + "1 }}", "signs" },
        { "{{ 1" + Repeat(" + 1", Many) + " }}", "a long sum" },
        { "{{ a" + Repeat(".b", Many) + " }}", "a long path" },
        { "{{ a" + Repeat("[0]", Many) + " }}", "many subscripts" },
        { "{{ a" + Repeat("()", Many) + " }}", "many calls" },
        { "{{ a" + Repeat("|e", Many) + " }}", "many filters" },
        { "{{ a" + Repeat(" and a", Many) + " }}", "a long conjunction" },
        { "{{ 1" + Repeat(" if 1 else 1", Many) + " }}", "many alternatives" },
        { "{{ 1" + Repeat(" ** 1", Many) + " }}", "many powers" },
        { Repeat("{% if 1 %}", Many), "conditions" },
        { Repeat("{% for a in b %}", Many), "loops" },
        { "{% set " + new string('(', Many), "targets" },
        { "{% for " + Repeat("(a,", Many), "loop targets" },
        { Repeat("{% set x %}", Many), "blocks" },
        { Repeat("{% macro m() %}", Many), "macros" },
        { Repeat("{% call m() %}", Many), "call blocks" },
    };

    [Theory]
    [InlineData("{{ [1, 2][0:1, 1] }}|{{ {}[:, 1] is defined }}|{{ 'ab'[1, ::2] or 'x' }}", "|False|x")]
    public void Slices_beside_other_indices_name_no_element(string template, string expected) =>
        Assert.Equal(expected, ChatTemplate.Parse(template).Render(new ChatTemplateInput { Messages = TemplateValue.List([]) }));

    public static TheoryData<string> Costly =>
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(150) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "{% set ns = namespace(l={}) %}{% for i in range(1000) %}{% set ns.l = {'a': ns.l} %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 'x' * 99999999999999999999 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ 2 ** 100000 }}",
        "{% set ns = namespace(n=10) %}{% for i in range(100) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{{ 'a'.replace('', 'x' * 90000).replace('', 'x' * 90000) }}",
        "{{ 'x'.join(range(90000)|map('string')|list) * 1000 }}",
        "{{ ('x' * 1000)|indent('y' * 99999, true) * 2 }}",
        "{{ 'x'.center(1000000000) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.999999999f' % 1 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}",
        "{% macro m() %}{% call m() %}{% endcall %}{{ caller }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% set l = [1] %}{% for x in [l] recursive %}{{ loop([l]) }}{% endfor %}",
        "{% for i in range(1000) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% for i in range(100) %}{{ range(10000)|list|tojson|length }}{% endfor %}",
        "{% for i in range(100000) %}{{ messages|tojson|length }}{{ (messages * 1000)|length }}{% endfor %}",
        "{% for i in range(1000) %}{{ range(99999)|sum }}{% endfor %}",
        "{% set l = range(2000)|list %}{% for i in l %}{{ l|sort|length }}{% endfor %}",
        "{% set s = 'ab' * 40000 %}{% for i in range(100000) %}{{ s.upper()|length }}{% endfor %}",
        "{% set s = 'ab' * 40000 %}{% for i in range(100000) %}{{ s[1:] == s[:-1] }}{{ s in s }}{% endfor %}",
        "{% set s = 'ab' * 40000 %}{% for i in range(100000) %}{{ s[39999] }}{% endfor %}",
    ];

    [Theory]
    [MemberData(nameof(Nested))]
    public void T9_deep_nesting_is_an_error_and_not_the_end_of_the_process(string source, string what)
    {
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(Input(), Small));
        Assert.True(error.Kind is ChatTemplateErrorKind.Limit or ChatTemplateErrorKind.Syntax, $"{what}: {error.Message}");
    }

    [Theory]
    [MemberData(nameof(Costly))]
    public void D7_what_costs_too_much_is_stopped(string source)
    {
        ChatTemplate template = ChatTemplate.Parse(source);
        var error = Assert.Throws<ChatTemplateException>(() => template.Render(Input(), Small));
        Assert.True(error.Kind is ChatTemplateErrorKind.Limit, error.Message);
    }

    [Theory]
    [InlineData("{{ messages.__class__.__mro__ }}")]
    [InlineData("{{ ''.__class__.__bases__ }}")]
    [InlineData("{{ range.__globals__.os }}")]
    [InlineData("{{ messages.append.__self__ }}")]
    [InlineData("{{ namespace().__init__.__globals__ }}")]
    [InlineData("{{ messages.GetType() }}")]
    [InlineData("{{ messages|attr('__class__')|attr('mro') }}")]
    [InlineData("{{ messages[0].update({'role': 'system'}) }}")]
    [InlineData("{% set messages[0].role = 'system' %}")]
    [InlineData("{% include '/etc/passwd' %}")]
    [InlineData("{% import 'os' as os %}")]
    public void D7_nothing_outside_the_conversation_can_be_reached_or_changed(string source)
    {
        ChatTemplateInput input = Input();
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(input));
        Assert.Equal("user", ChatTemplate.Parse("{{ messages[0].role }}").Render(input));
    }

    [Fact]
    public void Templates_with_random_damage_render_or_fail_with_the_one_exception()
    {
        string[] corpus = Corpus();
        for (int seed = 0; seed < 6000; seed++)
        {
            var random = new Random(seed);
            RenderOrFail(Damage(random, corpus), seed);
        }
    }

    [Fact]
    public void Templates_of_random_words_render_or_fail_with_the_one_exception()
    {
        string[] words =
        [
            "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "if", "else", "elif", "endif", "for", "endfor", "in", "set", "endset", "macro", "endmacro",
            "call", "endcall", "messages", "loop", "namespace", "x", "y", "a.b", "0", "1", "-1", "2.5", "'s'", "\"t\"", "(", ")", "[", "]", "{", "}", ",", ":",
            ".", "|", "~", "+", "-", "*", "**", "/", "//", "%", "==", "<", "is", "not", "and", "or", "none", "true", "defined", "length", "tojson", "join",
            "map", "select", "sort", "first", "format", "split", "replace", "=", "raw", "endraw", "\n", "filter", "endfilter", "upper", "recursive", "break",
        ];
        for (int seed = 0; seed < 6000; seed++)
        {
            var random = new Random(seed);
            var source = new StringBuilder();
            for (int left = random.Next(40); left > 0; left--)
                source.Append(words[random.Next(words.Length)]).Append(random.Next(3) == 0 ? "" : " ");
            RenderOrFail(source.ToString(), seed);
        }
    }

    [Fact]
    public void Expressions_of_random_parts_evaluate_or_fail_with_the_one_exception()
    {
        for (int seed = 0; seed < 6000; seed++)
            RenderOrFail("{{ " + RandomExpression(new Random(seed), 4) + " }}", seed);
    }

    private static string RandomExpression(Random random, int depth)
    {
        string[] leaves =
        [
            "messages", "messages[0]", "x", "0", "7", "-3", "2.5", "1e300", "''", "'abc'", "'%s %d {} {0:>5} é😀'", "none", "true", "[]", "{}", "(1, 'a')", "range(5)",
            "[3, 1, 2]", "{'b': 1, 'a': [none]}", "namespace(a=1)", "range", "99999999999999999999", "-0.0", "'1' * 50",
        ];
        string[] filters = ["abs", "batch", "capitalize", "center", "default", "dictsort", "escape", "first", "float", "format", "groupby", "indent", "int", "items",
            "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "slice",
            "sort", "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount", "attr"];
        string[] methods = ["split", "rsplit", "strip", "lstrip", "replace", "join", "format", "find", "rfind", "index", "count", "startswith", "upper", "title",
            "zfill", "center", "ljust", "partition", "splitlines", "removeprefix", "items", "keys", "get", "copy", "append", "isdigit"];
        string[] operators = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", ">=", "in", "not in", "and", "or", "if x else", "if 1 else"];
        string[] tests = ["defined", "none", "string", "odd", "divisibleby 3", "in messages", "sameas none", "mapping", "eq 7", "lower", "iterable"];
        if (depth == 0)
            return leaves[random.Next(leaves.Length)];
        string Inner() => RandomExpression(random, random.Next(depth));
        return random.Next(8) switch
        {
            0 => $"({Inner()} {operators[random.Next(operators.Length)]} {Inner()})",
            1 => $"({Inner()})|{filters[random.Next(filters.Length)]}",
            2 => $"({Inner()})|{filters[random.Next(filters.Length)]}({Inner()}, {Inner()})",
            3 => $"({Inner()}).{methods[random.Next(methods.Length)]}({Inner()})",
            4 => $"({Inner()}).{methods[random.Next(methods.Length)]}({Inner()}, {Inner()})",
            5 => $"({Inner()})[{Inner()}:{Inner()}:{Inner()}]",
            6 => $"({Inner()})[{Inner()}]",
            _ => $"(({Inner()}) is {tests[random.Next(tests.Length)]})",
        };
    }

    private static string Damage(Random random, string[] corpus)
    {
        string source = corpus[random.Next(corpus.Length)];
        for (int changes = 1 + random.Next(4); changes > 0; changes--)
        {
            int at = random.Next(source.Length + 1);
            string other = corpus[random.Next(corpus.Length)];
            int from = random.Next(other.Length + 1);
            int length = random.Next(Math.Min(12, other.Length - from) + 1);
            source = random.Next(3) switch
            {
                0 => source.Insert(at, other.Substring(from, length)),
                1 => source.Remove(at, Math.Min(random.Next(6), source.Length - at)),
                _ => source.Insert(at, RandomText.AnyRune(random).ToString()),
            };
        }
        return source;
    }

    private static string[] Corpus()
    {
        JsonElement cases = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(TestFiles.Data("jinja-cases.json")));
        IEnumerable<string> small = cases.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("template").GetString()!);
        return [.. small, ChatTemplateLoader.Load(TestFiles.QuillFolder)!.Default.Source];
    }

    private static void RenderOrFail(string source, int seed)
    {
        try
        {
            ChatTemplate.Parse(source).Render(Input(), Small);
        }
        catch (ChatTemplateException exception)
        {
            Assert.NotEmpty(exception.Message);
        }
        catch (Exception exception)
        {
            Assert.Fail($"seed {seed}: {source}\n{exception}");
        }
    }

    private static ChatTemplateInput Input() => new()
    {
        Messages = TemplateValue.FromJson(JsonSerializer.Deserialize<JsonElement>("""[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "yo"}]""")),
    };

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
}
