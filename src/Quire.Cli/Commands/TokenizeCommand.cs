using System;
using System.Collections.Generic;
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
using Quire.Tokenization;

namespace Quire.Cli.Commands;

/// <summary><c>quire tokenize</c>: text to token ids and back, row by row, without weights.</summary>
internal sealed class TokenizeCommand : CliCommand
{
    private readonly Option<string> _input = new("--input") { Required = true, Description = "JSON Lines with text or token_ids; - is standard input.", HelpName = "FILE" };
    private readonly Option<bool> _plain = new("--no-special-tokens") { Description = "Add no tokens such as a beginning of sequence." };

    public TokenizeCommand()
        : base("tokenize", "Turn text into token ids and token ids into text, row by row.")
    {
        Definition.Add(_input);
        Definition.Add(_plain);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        ITokenizer tokenizer = Load(call);
        bool addSpecial = !call.Parsed.GetValue(_plain);
        int status = Failures.Done;
        var ids = new List<int>();
        using TextReader input = call.Host.OpenInput(call.Parsed.GetRequiredValue(_input));
        using var writer = new JsonRowWriter(call.Host.Out);
        foreach (JsonLine line in JsonLines.Read(input))
        {
            cancellationToken.ThrowIfCancellationRequested();
            writer.Json.WriteStartObject();
            try
            {
                Answer(JsonLines.ParseObject(line), line.Number, tokenizer, addSpecial, ids, writer.Json);
            }
            catch (Exception failure) when (failure is QuireException or TokenizerException)
            {
                status = Failures.Failed;
                writer.Discard();
                writer.Json.WriteStartObject();
                writer.WriteError(failure);
            }

            writer.Json.WriteEndObject();
            writer.EndRow();
        }

        return Task.FromResult(status);
    }

    internal static ITokenizer Load(CliCall call)
    {
        try
        {
            return ModelText.LoadTokenizer(ModelFiles.TokenizerFolder(call.Options));
        }
        catch (TokenizerException failure)
        {
            throw new QuireException(ErrorCodes.BadTokenizer, ErrorKind.Usage, failure.Message, "tokenizer", failure);
        }
    }

    private static void Answer(JsonElement row, int line, ITokenizer tokenizer, bool addSpecial, List<int> ids, Utf8JsonWriter json)
    {
        ids.Clear();
        if (row.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String)
        {
            tokenizer.Encode(text.GetString()!, addSpecial, ids);
            json.WriteStartArray("token_ids");
            foreach (int id in ids)
                json.WriteNumberValue(id);
            json.WriteEndArray();
            return;
        }

        if (!row.TryGetProperty("token_ids", out JsonElement list) || list.ValueKind != JsonValueKind.Array)
            throw JsonLines.Bad($"line {line} must hold text (a string) or token_ids (a list of integers)");
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out int id) || id < 0 || id >= tokenizer.VocabularySize)
                throw JsonLines.Bad($"line {line}: token_ids holds {item.GetRawText()}, which is no token id (0 to {tokenizer.VocabularySize - 1})", "token_ids");
            ids.Add(id);
        }

        int[] tokens = ids.ToArray();
        json.WriteString("text", tokenizer.Decode(tokens, skipSpecialTokens: false));
        json.WriteString("text_skip_special", tokenizer.Decode(tokens, skipSpecialTokens: true));
    }
}
