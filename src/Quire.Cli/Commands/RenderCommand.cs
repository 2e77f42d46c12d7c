using System;
using System.CommandLine;
using System.IO;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Planning;
using Quire.Cli.Text;
using Quire.Engine;
using Quire.Engine.Loading;
using Quire.Inference;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Cli.Commands;

/// <summary><c>quire render</c>: conversations to prompts by the model's chat template, row by row, without weights.</summary>
internal sealed class RenderCommand : CliCommand
{
    private readonly Option<string> _input = new("--input") { Required = true, Description = "JSON Lines with messages, tools, add_generation_prompt; - is standard input.", HelpName = "FILE" };

    public RenderCommand()
        : base("render", "Turn conversations into prompts by the chat template, row by row.") => Definition.Add(_input);

    public override OptionTables Tables => OptionTables.Engine;

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        ITokenizer tokenizer = TokenizeCommand.Load(call);
        ChatTemplateSet templates = LoadTemplates(call);
        int status = Failures.Done;
        using TextReader input = call.Host.OpenInput(call.Parsed.GetRequiredValue(_input));
        using var writer = new JsonRowWriter(call.Host.Out);
        foreach (JsonLine line in JsonLines.Read(input))
        {
            cancellationToken.ThrowIfCancellationRequested();
            writer.Json.WriteStartObject();
            try
            {
                JsonElement row = JsonLines.ParseObject(line);
                row.TryGetProperty("messages", out JsonElement messages);
                row.TryGetProperty("tools", out JsonElement tools);
                row.TryGetProperty("chat_template_kwargs", out JsonElement variables);
                bool begin = row.TryGetProperty("add_generation_prompt", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
                writer.Json.WriteString("text", ChatPrompt.Render(templates, tokenizer.Special, messages, tools, variables, begin));
            }
            catch (QuireException failure)
            {
                status = Failures.Failed;
                writer.WriteError(failure);
            }

            writer.Json.WriteEndObject();
            writer.EndRow();
        }

        return Task.FromResult(status);
    }

    private static ChatTemplateSet LoadTemplates(CliCall call)
    {
        string folder = ModelFiles.TokenizerFolder(call.Options);
        try
        {
            if (call.Options.GetText("chat_template") is { } named)
                return new ChatTemplateSet(ChatTemplateLoader.LoadExplicit(named));
            return ModelText.LoadTemplates(folder)
                ?? throw Failures.Usage(ErrorCodes.BadChatTemplate, $"{folder} has no chat template; give one with --chat-template", "chat_template");
        }
        catch (Exception failure) when (failure is ChatTemplateException or TokenizerException)
        {
            throw Failures.Usage(ErrorCodes.BadChatTemplate, failure.Message, "chat_template");
        }
    }
}
