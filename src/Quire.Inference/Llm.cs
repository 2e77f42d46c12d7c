using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tokenization;

namespace Quire.Inference;

/// <summary>
/// A language model in this process: load it once, then generate from any number of threads; everything that is asked for at the same
/// time is computed in shared batches.
/// </summary>
public sealed partial class Llm : IAsyncDisposable
{
    private Llm(InferenceEngine engine)
    {
        Engine = engine;
        DefaultSampling = SamplingDefaults.Of(engine.Model);
    }

    /// <summary>The engine below, for what this class does not offer.</summary>
    public InferenceEngine Engine { get; }

    public ModelInfo Model => Engine.Model;

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="InvalidOperationException">The options asked for none (skip_tokenizer_init).</exception>
    public ITokenizer Tokenizer => Engine.Tokenizer;

    /// <summary>What calls without sampling parameters use: vLLM's defaults under the model's generation_config.json.</summary>
    public SamplingParams DefaultSampling { get; }

    /// <summary>Loads a model.</summary>
    /// <param name="model">A folder in Hugging Face layout; null takes <see cref="EngineOptions.Model"/>, and without that the model that ships with Quire.</param>
    /// <param name="options">Engine options; null takes the defaults.</param>
    /// <param name="logs">Where to log; null logs nothing.</param>
    /// <param name="progress">Told how far loading is.</param>
    /// <param name="cancellationToken">Gives up loading.</param>
    /// <exception cref="QuireException">An option, the model's files or the memory do not allow it; the message says what to change.</exception>
    public static async Task<Llm> LoadAsync(string? model = null, EngineOptions? options = null, ILoggerFactory? logs = null, IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new EngineOptions();
        if (model is not null)
            options = options with { Model = model };
        IBackend backend = BackendSelector.Create(options);
        try
        {
            return new Llm(await InferenceEngine.StartAsync(options, backend, UsageContext.OfflineBatch, logs, progress, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>Continues one prompt.</summary>
    /// <exception cref="QuireException">The prompt or the parameters are refused.</exception>
    public async Task<RequestOutput> GenerateAsync(string prompt, SamplingParams? sampling = null, CancellationToken cancellationToken = default) =>
        (await GenerateAsync([Prompt.FromText(prompt)], sampling, cancellationToken).ConfigureAwait(false))[0];

    /// <summary>Continues prompts, in one batch; results are in the order of the prompts.</summary>
    /// <exception cref="QuireException">A prompt or the parameters are refused; then none of the call is generated.</exception>
    public Task<RequestOutput[]> GenerateAsync(IEnumerable<string> prompts, SamplingParams? sampling = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        return GenerateAsync(prompts.Select(static text => Prompt.FromText(text)).ToArray(), sampling, cancellationToken);
    }

    /// <inheritdoc cref="GenerateAsync(IEnumerable{string}, SamplingParams, CancellationToken)"/>
    public Task<RequestOutput[]> GenerateAsync(IEnumerable<int[]> prompts, SamplingParams? sampling = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        return GenerateAsync(prompts.Select(Prompt.FromTokens).ToArray(), sampling, cancellationToken);
    }

    /// <inheritdoc cref="GenerateAsync(IEnumerable{string}, SamplingParams, CancellationToken)"/>
    public Task<RequestOutput[]> GenerateAsync(IReadOnlyList<Prompt> prompts, SamplingParams? sampling = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        return GenerateAsync(prompts, Enumerable.Repeat(sampling ?? DefaultSampling, prompts.Count).ToArray(), cancellationToken);
    }

    /// <summary>Continues prompts, each with parameters of its own.</summary>
    /// <exception cref="ArgumentException">The lists differ in length.</exception>
    /// <exception cref="QuireException">A prompt or its parameters are refused; then none of the call is generated.</exception>
    public Task<RequestOutput[]> GenerateAsync(IReadOnlyList<Prompt> prompts, IReadOnlyList<SamplingParams> sampling, CancellationToken cancellationToken = default) =>
        GenerateAsync(prompts, sampling, lora: null, cancellationToken);

    private async Task<RequestOutput[]> GenerateAsync(IReadOnlyList<Prompt> prompts, IReadOnlyList<SamplingParams> sampling, string? lora, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(sampling);
        if (prompts.Count != sampling.Count)
            throw new ArgumentException($"The lengths of prompts ({prompts.Count}) and sampling ({sampling.Count}) must be the same.", nameof(sampling));
        var handles = new List<GenerationHandle>(prompts.Count);
        try
        {
            for (int i = 0; i < prompts.Count; i++)
                handles.Add(Engine.Submit(new GenerationRequest { Prompt = prompts[i], Sampling = sampling[i], Lora = lora }));

            // All are read at once: a stop text is found by the reader, and a request that nobody reads would run past it.
            return await Task.WhenAll(handles.Select(handle => handle.CompleteAsync(cancellationToken))).ConfigureAwait(false);
        }
        finally
        {
            foreach (GenerationHandle handle in handles)
                handle.Dispose();
        }
    }

    /// <summary>Answers a conversation by the model's chat template.</summary>
    /// <param name="messages">From the first message to the one to answer.</param>
    /// <param name="sampling">Null takes <see cref="DefaultSampling"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="QuireException">The model has no chat template, or the conversation is refused.</exception>
    public async Task<RequestOutput> ChatAsync(IEnumerable<ChatMessage> messages, SamplingParams? sampling = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        Prompt prompt = ChatPrompt.Render(Engine, messages, options: null);
        return (await GenerateAsync([prompt], sampling, cancellationToken).ConfigureAwait(false))[0];
    }

    /// <summary>
    /// Continues a prompt piece by piece: each item holds what is new since the one before (in one of the n outputs), the last one has
    /// <see cref="RequestOutput.Finished"/> and the metrics. With <see cref="RequestOutputKind.FinalOnly"/> there is one item, with everything.
    /// Leaving the loop early, or cancelling, ends the request and frees its memory.
    /// </summary>
    /// <exception cref="QuireException">The prompt or the parameters are refused.</exception>
    public IAsyncEnumerable<RequestOutput> StreamAsync(Prompt prompt, SamplingParams? sampling = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return StreamCoreAsync(prompt, sampling, lora: null, cancellationToken);
    }

    private async IAsyncEnumerable<RequestOutput> StreamCoreAsync(
        Prompt prompt, SamplingParams? sampling, string? lora, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        sampling ??= DefaultSampling;
        using GenerationHandle handle = Engine.Submit(new GenerationRequest { Prompt = prompt, Sampling = sampling, Lora = lora });
        if (sampling.OutputKind == RequestOutputKind.FinalOnly)
        {
            yield return await handle.CompleteAsync(cancellationToken).ConfigureAwait(false);
            yield break;
        }

        int open = handle.OutputCount;
        while (await handle.ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
        {
            if (delta.FinishReason is not null)
                open--;
            yield return new RequestOutput
            {
                RequestId = handle.RequestId,
                Prompt = handle.PromptText,
                PromptTokenIds = handle.PromptTokenIds,
                PromptLogprobs = handle.PromptLogprobs,
                Outputs = [Item(delta)],
                Finished = open == 0,
                Metrics = open == 0 ? handle.Timings : null,
            };
        }
    }

    /// <summary>This model as Microsoft.Extensions.AI sees chat models. Disposing the client leaves the model loaded.</summary>
    public IChatClient AsChatClient() => new QuireChatClient(this);

    /// <summary>Frees the model; requests that still run are aborted.</summary>
    public ValueTask DisposeAsync() => Engine.DisposeAsync();

    private static CompletionOutput Item(OutputDelta delta)
    {
        double? sum = null;
        if (delta.Logprobs is { } logprobs)
        {
            sum = 0;
            foreach (TokenLogprobs position in logprobs)
                sum += position.Entries[0].Logprob;
        }

        return new CompletionOutput
        {
            Index = delta.Index,
            Text = delta.Text,
            TokenIds = delta.TokenIds,
            Logprobs = delta.Logprobs,
            CumulativeLogprob = sum,
            FinishReason = delta.FinishReason,
            StopReason = delta.StopReason,
        };
    }
}
