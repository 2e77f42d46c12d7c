using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Loading;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.Cli.Commands;

/// <summary><c>quire chat</c>: a conversation on the terminal; with a question it answers that and ends.</summary>
internal sealed class ChatCommand : CliCommand
{
    private readonly Argument<string?> _question = new("QUESTION") { Arity = ArgumentArity.ZeroOrOne, Description = "Answer this and end." };
    private readonly Option<string?> _system = new("--system") { Description = "System message at the beginning.", HelpName = "TEXT" };

    public ChatCommand()
        : base("chat", "Talk with the model; quire chat \"question\" prints one answer.")
    {
        Definition.Add(_question);
        Definition.Add(_system);
    }

    public override OptionTables Tables => OptionTables.Engine | OptionTables.Sampling;

    public override bool StartsEngine => true;

    public override async Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.OfflineBatch, cancellationToken).ConfigureAwait(false);
        var chat = new Conversation(engine, Sampling(call, engine), call.Parsed.GetValue(_system), call.Host);
        if (call.Parsed.GetValue(_question) is { } question)
        {
            await chat.AskAsync(question, cancellationToken).ConfigureAwait(false);
            return Failures.Done;
        }

        if (call.Host.InIsTerminal)
            await call.Host.Error.WriteLineAsync($"{engine.Model.ServedNames[0]}. /help lists the commands, an empty line or Ctrl-D ends.").ConfigureAwait(false);
        return await TalkAsync(chat, call.Host, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<int> TalkAsync(Conversation chat, CliHost host, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (host.InIsTerminal)
                await host.Error.WriteAsync("> ").ConfigureAwait(false);
            string? line = await host.In.ReadLineAsync(cancellationToken).ConfigureAwait(false);
            switch (line?.Trim())
            {
                case null or "" or "/exit" or "/quit" or "/bye":
                    return Failures.Done;
                case "/help":
                    await host.Error.WriteLineAsync("/reset forgets the conversation\n/stats shows tokens and speed\n/exit ends").ConfigureAwait(false);
                    break;
                case "/reset":
                    chat.Reset();
                    await host.Error.WriteLineAsync("forgotten").ConfigureAwait(false);
                    break;
                case "/stats":
                    await host.Error.WriteLineAsync(chat.Statistics()).ConfigureAwait(false);
                    break;
                case { } unknown when unknown.StartsWith('/'):
                    await host.Error.WriteLineAsync($"there is no command {unknown}; /help lists them").ConfigureAwait(false);
                    break;
                default:
                    try
                    {
                        await chat.AskAsync(line!, cancellationToken).ConfigureAwait(false);
                    }
                    catch (QuireException refused) when (refused.Kind == ErrorKind.Request)
                    {
                        await host.Error.WriteLineAsync($"error {refused.Code}: {Failures.OneLine(refused.Message)}").ConfigureAwait(false);
                    }

                    break;
            }
        }
    }

    /// <summary>
    /// The command line over the model's defaults. An answer may fill the context, and a model whose generation_config.json says not to
    /// sample is asked greedily: that file's do_sample has no meaning for a server, but it says what the model was made for.
    /// </summary>
    private static SamplingParams Sampling(CliCall call, InferenceEngine engine)
    {
        SamplingParams start = SamplingDefaults.Of(engine.Model) with { MaxTokens = engine.Model.GenerationDefaults.MaxNewTokens };
        if (engine.Model.GenerationDefaults.Temperature is null && SaysNotToSample(ModelLocator.Locate(call.Options)))
            start = start with { Temperature = 0 };
        return GenerateCommand.Defaults(call, start);
    }

    private static bool SaysNotToSample(string folder)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "generation_config.json")));
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("do_sample", out JsonElement sample) && sample.ValueKind == JsonValueKind.False;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or JsonException)
        {
            return false;
        }
    }

    private sealed class Conversation(InferenceEngine engine, SamplingParams sampling, string? system, CliHost host)
    {
        private JsonArray _messages = Begin(system);
        private RequestTimings _last = new();
        private int _turns;
        private int _lastPromptTokens;
        private int _lastOutputTokens;

        public void Reset() => _messages = Begin(system);

        public async Task AskAsync(string question, CancellationToken cancellationToken)
        {
            _messages.Add((JsonNode)Message("user", question));
            var answer = new System.Text.StringBuilder();
            try
            {
                using var conversation = JsonDocument.Parse(_messages.ToJsonString());
                Prompt prompt = ChatPrompt.Render(engine, conversation.RootElement);
                using GenerationHandle handle = engine.Submit(new GenerationRequest { Prompt = prompt, Sampling = sampling });
                _lastOutputTokens = 0;
                while (await handle.ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
                {
                    if (delta.Index != 0)
                        continue;
                    _lastOutputTokens += delta.TokenIds.Count;
                    answer.Append(delta.Text);
                    await host.Out.WriteAsync(delta.Text).ConfigureAwait(false);
                    await host.Out.FlushAsync(cancellationToken).ConfigureAwait(false);
                }

                _last = handle.Timings;
                _lastPromptTokens = handle.PromptTokenIds.Count;
            }
            catch
            {
                _messages.RemoveAt(_messages.Count - 1);
                throw;
            }

            await host.Out.WriteLineAsync().ConfigureAwait(false);
            await host.Out.FlushAsync(cancellationToken).ConfigureAwait(false);
            _turns++;
            _messages.Add((JsonNode)Message("assistant", answer.ToString()));
        }

        public string Statistics() => _turns == 0 ? "nothing was asked yet" : string.Create(CultureInfo.InvariantCulture,
            $"{_turns} answers; the last: {_lastPromptTokens} tokens in ({_last.CachedTokens} from the cache), {_lastOutputTokens} out, first after {_last.TimeToFirstTokenSeconds * 1000:0} ms, then {_last.TimePerOutputTokenSeconds * 1000:0.0} ms each");

        private static JsonArray Begin(string? system) => system is null ? [] : new JsonArray(Message("system", system));

        private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };
    }
}
