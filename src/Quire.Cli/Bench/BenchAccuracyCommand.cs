using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.Cli.Bench;

/// <summary><c>quire bench accuracy</c>: asks the questions of an exam file greedily and counts exact answers, by task.</summary>
internal sealed class BenchAccuracyCommand : BenchCommand
{
    private readonly Option<string> _input = new("--input") { Required = true, Description = "JSON list of task, tools, question, answer.", HelpName = "FILE" };
    private readonly Option<int> _length = Size("--max-tokens", 256, "Most tokens of an answer.");

    public BenchAccuracyCommand()
        : base("bench accuracy", "Ask the questions of an exam file and count exact answers.")
    {
        Definition.Add(_input);
        Definition.Add(_length);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override bool StartsEngine => true;

    protected override string DecidingKey => "accuracy";

    protected override async Task<List<JsonObject>> MeasureAsync(CliCall call, int repeats, CancellationToken cancellationToken)
    {
        using JsonDocument exam = Read(call, call.Parsed.GetRequiredValue(_input));
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = call.Parsed.GetValue(_length) };
        var runs = new List<JsonObject>();
        for (int repeat = 0; repeat < repeats; repeat++)
            runs.Add(await AskAsync(engine, exam.RootElement, sampling, cancellationToken).ConfigureAwait(false));
        return runs;
    }

    private static JsonDocument Read(CliCall call, string path)
    {
        using TextReader input = call.Host.OpenInput(path);
        try
        {
            var exam = JsonDocument.Parse(input.ReadToEnd());
            return exam.RootElement.ValueKind == JsonValueKind.Array ? exam : throw new JsonException("a list is expected");
        }
        catch (JsonException failure)
        {
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path}: {failure.Message}", "input");
        }
    }

    private static async Task<JsonObject> AskAsync(InferenceEngine engine, JsonElement exam, SamplingParams sampling, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var questions = new List<(string Task, string Answer)>();
        var handles = new List<GenerationHandle>();
        RequestOutput[] outputs;
        try
        {
            foreach (JsonElement row in exam.EnumerateArray())
            {
                questions.Add((Text(row, "task"), Text(row, "answer")));
                var messages = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = Text(row, "question") });
                using var conversation = JsonDocument.Parse(messages.ToJsonString());
                row.TryGetProperty("tools", out JsonElement tools);
                Prompt prompt = ChatPrompt.Render(engine, conversation.RootElement, tools);
                handles.Add(engine.Submit(new GenerationRequest { Prompt = prompt, Sampling = sampling }));
            }

            outputs = await Task.WhenAll(handles.Select(handle => handle.CompleteAsync(cancellationToken))).ConfigureAwait(false);
        }
        finally
        {
            foreach (GenerationHandle handle in handles)
                handle.Dispose();
        }

        return Score(questions, outputs, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static JsonObject Score(List<(string Task, string Answer)> questions, RequestOutput[] outputs, double seconds)
    {
        var byTask = new SortedDictionary<string, (int Asked, int Right)>(StringComparer.Ordinal);
        int right = 0;
        long tokens = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            bool ok = outputs[i].Outputs[0].Text.Trim() == questions[i].Answer.Trim();
            (int asked, int correct) = byTask.GetValueOrDefault(questions[i].Task);
            byTask[questions[i].Task] = (asked + 1, correct + (ok ? 1 : 0));
            right += ok ? 1 : 0;
            tokens += outputs[i].Outputs[0].TokenIds.Count;
        }

        var tasks = new JsonObject();
        foreach ((string task, (int asked, int correct)) in byTask)
            tasks[task] = new JsonObject { ["questions"] = asked, ["correct"] = correct, ["accuracy"] = (double)correct / asked };
        return new JsonObject
        {
            ["accuracy"] = questions.Count == 0 ? 0 : (double)right / questions.Count,
            ["questions"] = questions.Count,
            ["correct"] = right,
            ["elapsed_time"] = seconds,
            ["output_tokens_per_second"] = tokens / seconds,
            ["tasks"] = tasks,
        };
    }

    protected override void Print(TextWriter output, JsonObject result)
    {
        foreach ((string task, JsonNode? node) in result["tasks"]!.AsObject())
            output.WriteLine($"{task,-24} {node!["correct"]!.GetValue<int>(),5} of {node["questions"]!.GetValue<int>(),5}  {node["accuracy"]!.GetValue<double>().ToString("0.000", CultureInfo.InvariantCulture)}");
        output.WriteLine($"{"total",-24} {result["correct"]!.GetValue<int>(),5} of {result["questions"]!.GetValue<int>(),5}  {result["accuracy"]!.GetValue<double>().ToString("0.000", CultureInfo.InvariantCulture)}");
    }

    private static string Text(JsonElement row, string field) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : throw Failures.Usage(ErrorCodes.UnreadableFile, $"a row of the exam has no text {field}", "input");
}
