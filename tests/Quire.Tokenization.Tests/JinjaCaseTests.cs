using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using Quire.Tokenization.Chat;

namespace Quire.Tokenization.Tests;

/// <summary>
/// Small templates and what Jinja 3.1 made of them (<c>Data/make-jinja-cases.py</c>): the language, its white space, Python's printing, and
/// the
/// words of its errors.
/// </summary>
public sealed class JinjaCaseTests
{
    [Fact]
    public void Every_case_renders_or_fails_as_Jinja_does()
    {
        JsonElement cases = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(TestFiles.Data("jinja-cases.json")));
        Dictionary<string, TemplateValue> context = cases.GetProperty("context").EnumerateObject()
            .ToDictionary(item => item.Name, item => TemplateValue.FromJson(item.Value));
        var differences = new StringBuilder();
        int count = 0;
        foreach (JsonElement row in cases.GetProperty("rows").EnumerateArray())
        {
            string source = row.GetProperty("template").GetString()!;
            string expected = Expected(row);
            string actual = Actual(source, context);
            if (actual != expected)
                differences.AppendLine($"{source}\n  expected {Shown(expected)}\n  actual   {Shown(actual)}");
            count++;
        }
        Assert.True(count > 600, $"only {count} cases");
        Assert.True(differences.Length == 0, differences.ToString());
    }

    private static string Expected(JsonElement row)
    {
        if (row.TryGetProperty("text", out JsonElement text))
            return "text: " + text.GetString();
        return row.TryGetProperty("syntax", out JsonElement syntax)
            ? $"syntax error in line {row.GetProperty("line").GetInt32()}: {syntax.GetString()}"
            : "error: " + row.GetProperty("error").GetString();
    }

    private static string Actual(string source, Dictionary<string, TemplateValue> context)
    {
        try
        {
            return "text: " + ChatTemplate.Parse(source).Render(new ChatTemplateInput { Messages = context["messages"], Extra = context });
        }
        catch (ChatTemplateException exception) when (exception.Kind == ChatTemplateErrorKind.Syntax)
        {
            return $"syntax error in line {exception.Line}: {exception.Message}";
        }
        catch (ChatTemplateException exception) when (exception.Kind is ChatTemplateErrorKind.Runtime or ChatTemplateErrorKind.Raised)
        {
            return "error: " + exception.Message;
        }
    }

    private static string Shown(string text) => JsonSerializer.Serialize(text);
}
