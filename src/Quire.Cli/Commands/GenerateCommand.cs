using System;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text.Json;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Text;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.Cli.Commands;

/// <summary>
/// <c>quire generate</c>: offline batch. Rows are submitted as fast as they are read, so that they share batches, and answered in the
/// order of the input.
/// </summary>
internal sealed class GenerateCommand : CliCommand
{
    /// <summary>Rows that are submitted and not yet written: far more than a batch holds, and a bound on memory.</summary>
    private const int RowsInFlight = 4096;

    private readonly Option<string?> _prompt = new("--prompt") { Description = "Continue this text.", HelpName = "TEXT" };
    private readonly Option<string?> _input = new("--input") { Description = "JSON Lines with prompt, prompt_token_ids or messages; - is standard input.", HelpName = "FILE" };
    private readonly Option<string?> _output = new("--output") { Description = "Write the answers there instead of to standard output.", HelpName = "FILE" };

    private readonly Option<string?> _lora = new("--lora") { Description = "LoRA adapter (a name of --lora-modules) for the prompt, and for rows without a field lora.", HelpName = "NAME" };

    public GenerateCommand()
        : base("generate", "Generate from one prompt, or from every row of a file.")
    {
        Definition.Add(_prompt);
        Definition.Add(_input);
        Definition.Add(_output);
        Definition.Add(_lora);
    }

    public override OptionTables Tables => OptionTables.Engine | OptionTables.Sampling;

    public override bool StartsEngine => true;

    public override async Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        string? prompt = call.Parsed.GetValue(_prompt);
        string? input = call.Parsed.GetValue(_input);
        if (prompt is null == input is null)
            throw Failures.Usage(ErrorCodes.InvalidOption, "give either --prompt TEXT or --input FILE (- is standard input)", "prompt");
        using TextReader? rows = input is null ? null : call.Host.OpenInput(input);
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        SamplingParams defaults = Defaults(call, SamplingDefaults.Of(engine.Model));
        TextWriter output = call.Host.OpenOutput(call.Parsed.GetValue(_output));
        try
        {
            return rows is null && !call.Json
                ? await AnswerOneAsync(engine, prompt!, defaults, call.Parsed.GetValue(_lora), call, output, cancellationToken).ConfigureAwait(false)
                : await AnswerAllAsync(engine, rows ?? new StringReader(PromptRow(prompt!)), defaults, call.Parsed.GetValue(_lora), call, output, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            if (!ReferenceEquals(output, call.Host.Out))
                await output.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The sampling options of the command line over the model's defaults.</summary>
    internal static SamplingParams Defaults(CliCall call, SamplingParams start)
    {
        if (call.Sampling.Count == 0)
            return start;
        using var document = JsonDocument.Parse(call.Sampling.ToJsonString());
        SamplingParams asked;
        try
        {
            asked = SamplingJson.Apply(document.RootElement, start);
        }
        catch (QuireException failure)
        {
            throw Failures.Usage(ErrorCodes.InvalidOption, failure.Message, failure.Field);
        }

        return asked.Normalized(out _).Validate() is { } refusal ? throw Failures.Usage(ErrorCodes.InvalidOption, refusal.Message, refusal.Field) : asked;
    }

    private static string PromptRow(string prompt) => $"{{\"prompt\":\"{JsonEncodedText.Encode(prompt)}\"}}";

    /// <summary>One prompt for a person: the text as it comes.</summary>
    private static async Task<int> AnswerOneAsync(InferenceEngine engine, string prompt, SamplingParams sampling, string? lora, CliCall call, TextWriter output, CancellationToken cancellationToken)
    {
        var totals = new GenerateTotals();
        using GenerationHandle handle = engine.Submit(new Quire.Engine.Intake.GenerationRequest { Prompt = prompt, Sampling = sampling, Lora = lora });
        if (handle.OutputCount > 1)
        {
            RequestOutput all = await handle.CompleteAsync(cancellationToken).ConfigureAwait(false);
            foreach (CompletionOutput each in all.Outputs)
                await output.WriteLineAsync($"[{each.Index}] {each.Text}").ConfigureAwait(false);
            totals.Add(all);
        }
        else
        {
            int tokens = 0;
            while (await handle.ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
            {
                tokens += delta.TokenIds.Count;
                await output.WriteAsync(delta.Text).ConfigureAwait(false);
                if (call.Host.OutIsTerminal)
                    await output.FlushAsync(cancellationToken).ConfigureAwait(false);
            }

            await output.WriteLineAsync().ConfigureAwait(false);
            totals.Add(handle.PromptTokenIds.Count, tokens);
        }

        totals.Print(call.Host.Error);
        return Failures.Done;
    }

    private static async Task<int> AnswerAllAsync(InferenceEngine engine, TextReader rows, SamplingParams defaults, string? lora, CliCall call, TextWriter output, CancellationToken cancellationToken)
    {
        var totals = new GenerateTotals();
        var channel = Channel.CreateBounded<PendingRow>(new BoundedChannelOptions(RowsInFlight) { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task writing = WriteAnswersAsync(channel.Reader, output, totals, call.Host.ErrorIsTerminal ? call.Host.Error : null, stop);
        Exception? failure = null;
        try
        {
            int index = 0;
            foreach (JsonLine line in JsonLines.Read(rows))
            {
                PendingRow row = PendingRow.Submit(engine, line, index++, defaults, lora, stop.Token);
                await channel.Writer.WriteAsync(row, stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // The writer failed and stopped the reading; its own exception is thrown below.
        }
        catch (Exception broken)
        {
            failure = broken;
            await stop.CancelAsync().ConfigureAwait(false);
        }

        channel.Writer.Complete();
        await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        await writing.ConfigureAwait(false);
        totals.Print(call.Host.Error);
        return totals.Failed > 0 ? Failures.Failed : Failures.Done;
    }

    private static async Task WriteAnswersAsync(ChannelReader<PendingRow> rows, TextWriter output, GenerateTotals totals, TextWriter? progress, CancellationTokenSource stop)
    {
        try
        {
            using var writer = new JsonRowWriter(output);
            long shown = Environment.TickCount64;
            while (await rows.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (rows.TryRead(out PendingRow? row))
                {
                    await row.WriteAsync(writer, totals).ConfigureAwait(false);
                    if (progress is not null && Environment.TickCount64 - shown > 200)
                    {
                        shown = Environment.TickCount64;
                        await progress.WriteAsync("\r\u001b[K" + totals.Line()).ConfigureAwait(false);
                    }
                }

                await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            }

            if (progress is not null)
                await progress.WriteAsync("\r\u001b[K").ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }
}

/// <summary>What <c>generate</c> counts for its last line.</summary>
internal sealed class GenerateTotals
{
    private readonly long _start = Stopwatch.GetTimestamp();

    public int Requests { get; private set; }

    public int Failed { get; private set; }

    public long PromptTokens { get; private set; }

    public long OutputTokens { get; private set; }

    public void Add(RequestOutput output)
    {
        int tokens = 0;
        foreach (CompletionOutput each in output.Outputs)
            tokens += each.TokenIds.Count;
        Add(output.PromptTokenIds.Count, tokens);
    }

    public void Add(int promptTokens, int outputTokens)
    {
        Requests++;
        PromptTokens += promptTokens;
        OutputTokens += outputTokens;
    }

    public void AddFailure()
    {
        Requests++;
        Failed++;
    }

    public string Line()
    {
        double seconds = Math.Max(1e-9, Stopwatch.GetElapsedTime(_start).TotalSeconds);
        string failed = Failed > 0 ? string.Create(CultureInfo.InvariantCulture, $" ({Failed} failed)") : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{Requests} requests{failed}, {PromptTokens} tokens in, {OutputTokens} tokens out, {seconds:0.000} s, {OutputTokens / seconds:0.0} output tokens/s, {(PromptTokens + OutputTokens) / seconds:0.0} tokens/s");
    }

    public void Print(TextWriter error) => error.WriteLine(Line());
}
