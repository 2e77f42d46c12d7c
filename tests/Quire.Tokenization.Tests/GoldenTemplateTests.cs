using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Quire.Tokenization.Chat;

namespace Quire.Tokenization.Tests;

/// <summary>Texts that the Hugging Face library rendered with the models' own templates.</summary>
public sealed class GoldenTemplateTests
{
    [Fact]
    public void Rendered_conversations_are_those_of_the_reference()
    {
        string path = Path.Combine(TestFiles.Goldens, "chat-templates.json");
        if (!File.Exists(path))
            Assert.Skip($"The reference conversations {path} are not here.");
        int rows = 0;
        foreach (JsonProperty model in JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(path)).EnumerateObject())
        {
            ChatTemplate template = ChatTemplate.Parse(model.Value.GetProperty("template").GetString()!);
            // Only Gemma's walks through the parts of a message.
            Assert.Equal((model.Name, model.Name == "gemma3"), (model.Name, template.IteratesContent));
            Dictionary<string, string> special = Strings(model.Value.GetProperty("special"));
            foreach (JsonElement row in model.Value.GetProperty("rows").EnumerateArray())
            {
                string where = $"{model.Name} {row.GetProperty("case").GetString()}";
                if (row.TryGetProperty("error", out JsonElement error))
                    Assert.Equal((where, error.GetString()), (where, Assert.Throws<ChatTemplateException>(() => Render(template, row, special)).Message));
                else
                    Assert.Equal((where, row.GetProperty("text").GetString()), (where, Render(template, row, special)));
                rows++;
            }
        }
        Assert.True(rows >= 40, $"only {rows} rows");
    }

    [Fact]
    public void The_template_that_ships_writes_chat_turns()
    {
        ChatTemplate template = ChatTemplateLoader.Load(TestFiles.QuillFolder)!.Default;
        JsonElement messages = JsonSerializer.Deserialize<JsonElement>("""[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]""");
        string text = template.Render(new ChatTemplateInput { Messages = TemplateValue.FromJson(messages), AddGenerationPrompt = true });
        Assert.Equal("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", text);
        Assert.False(template.IteratesContent);
    }

    private static string Render(ChatTemplate template, JsonElement row, Dictionary<string, string> special) =>
        template.Render(new ChatTemplateInput
        {
            Messages = TemplateValue.FromJson(row.GetProperty("messages")),
            Tools = row.TryGetProperty("tools", out JsonElement tools) ? TemplateValue.FromJson(tools) : null,
            AddGenerationPrompt = row.GetProperty("add_generation_prompt").GetBoolean(),
            SpecialTokens = special,
        });

    private static Dictionary<string, string> Strings(JsonElement special)
    {
        var strings = new Dictionary<string, string>();
        foreach (JsonProperty item in special.EnumerateObject())
        {
            if (item.Value.ValueKind == JsonValueKind.String)
                strings[item.Name] = item.Value.GetString()!;
        }
        return strings;
    }
}
