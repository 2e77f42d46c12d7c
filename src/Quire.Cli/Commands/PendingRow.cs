using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.Text;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.Cli.Commands;

/// <summary>A row of <c>generate</c> between its submission and its answer.</summary>
internal sealed class PendingRow
{
    private static readonly string[] Fields =
    [
        "prompt", "prompt_token_ids", "messages", "tools", "sampling_params", "lora", "id", "chat_template_kwargs", "add_generation_prompt", "priority", "cache_salt",
    ];

    private readonly int _index;
    private readonly string? _id;
    private readonly Task<RequestOutput>? _answer;
    private readonly Exception? _failure;

    private PendingRow(int index, string? id, Task<RequestOutput>? answer, Exception? failure)
    {
        _index = index;
        _id = id;
        _answer = answer;
        _failure = failure;
    }

    /// <summary>Reads a row and hands it to the engine; what is wrong with it becomes its answer.</summary>
    public static PendingRow Submit(InferenceEngine engine, JsonLine line, int index, SamplingParams defaults, string? defaultLora, CancellationToken cancellationToken)
    {
        string? id = null;
        try
        {
            JsonElement row = JsonLines.ParseObject(line);
            if (row.TryGetProperty("id", out JsonElement given))
                id = given.GetRawText();
            GenerationHandle handle = engine.Submit(Request(engine, row, defaults, defaultLora));

            // Read at once and beside the others: stop texts are found while reading.
            return new PendingRow(index, id, Task.Run(() => handle.CompleteAsync(cancellationToken), CancellationToken.None), null);
        }
        catch (QuireException failure) when (failure.Kind is ErrorKind.Request or ErrorKind.NotFound)
        {
            return new PendingRow(index, id, null, failure);
        }
    }

    /// <summary>Waits for the answer and writes the row.</summary>
    public async Task WriteAsync(JsonRowWriter writer, GenerateTotals totals)
    {
        Exception? failure = _failure;
        RequestOutput? output = null;
        if (_answer is not null)
        {
            try
            {
                output = await _answer.ConfigureAwait(false);
            }
            catch (QuireException broken) when (broken.Code != ErrorCodes.EngineDead)
            {
                failure = broken;
            }
        }

        Utf8JsonWriter json = writer.Json;
        json.WriteStartObject();
        json.WritePropertyName("id");
        if (_id is null)
            json.WriteNullValue();
        else
            json.WriteRawValue(_id);
        json.WriteNumber("index", _index);
        if (output is null)
        {
            totals.AddFailure();
            writer.WriteError(failure!);
        }
        else
        {
            totals.Add(output);
            OutputJson.Write(json, output);
        }

        json.WriteEndObject();
        writer.EndRow();
    }

    private static GenerationRequest Request(InferenceEngine engine, JsonElement row, SamplingParams defaults, string? defaultLora)
    {
        foreach (JsonProperty property in row.EnumerateObject())
        {
            if (Array.IndexOf(Fields, property.Name) < 0)
                throw JsonLines.Bad($"a row has no field {property.Name}; did you mean {NearestName.Find(property.Name, Fields, out _)}?", property.Name);
        }

        SamplingParams sampling = row.TryGetProperty("sampling_params", out JsonElement own) && own.ValueKind != JsonValueKind.Null ? SamplingJson.Apply(own, defaults) : defaults;
        return new GenerationRequest
        {
            Prompt = ReadPrompt(engine, row),
            Sampling = sampling,
            Priority = row.TryGetProperty("priority", out JsonElement priority) ? Integer("priority", priority) : 0,
            Lora = LoraName(row) ?? defaultLora,
            CacheSalt = row.TryGetProperty("cache_salt", out JsonElement salt) && salt.ValueKind == JsonValueKind.String ? salt.GetString() : null,
        };
    }

    private static string? LoraName(JsonElement row) => !row.TryGetProperty("lora", out JsonElement lora) ? null : lora.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => lora.GetString(),
        _ => throw JsonLines.Bad("lora must be the name of an adapter", "lora"),
    };

    private static Prompt ReadPrompt(InferenceEngine engine, JsonElement row)
    {
        bool hasText = row.TryGetProperty("prompt", out JsonElement text);
        bool hasIds = row.TryGetProperty("prompt_token_ids", out JsonElement ids);
        bool hasMessages = row.TryGetProperty("messages", out JsonElement messages);
        if ((hasText ? 1 : 0) + (hasIds ? 1 : 0) + (hasMessages ? 1 : 0) != 1)
            throw JsonLines.Bad("a row holds exactly one of prompt, prompt_token_ids and messages", "prompt");
        if (hasText)
            return text.ValueKind == JsonValueKind.String ? Prompt.FromText(text.GetString()!) : throw JsonLines.Bad("prompt must be a text", "prompt");
        if (hasIds)
            return Prompt.FromTokens(TokenIds(ids));
        row.TryGetProperty("tools", out JsonElement tools);
        row.TryGetProperty("chat_template_kwargs", out JsonElement variables);
        bool begin = !row.TryGetProperty("add_generation_prompt", out JsonElement flag) || flag.ValueKind != JsonValueKind.False;
        return ChatPrompt.Render(engine, messages, tools, variables, begin);
    }

    private static int[] TokenIds(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
            throw JsonLines.Bad("prompt_token_ids must be a list of integers", "prompt_token_ids");
        var ids = new List<int>(list.GetArrayLength());
        foreach (JsonElement item in list.EnumerateArray())
            ids.Add(Integer("prompt_token_ids", item));
        return ids.ToArray();
    }

    private static int Integer(string field, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw JsonLines.Bad($"{field} must hold integers of 32 bits, got {value.GetRawText()}", field);
}
