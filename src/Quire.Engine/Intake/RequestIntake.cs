using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using Quire.Core.Requests;
using Quire.Engine.Execution;
using Quire.Engine.Lora;
using Quire.Engine.Sampling;
using Quire.Engine.Streaming;
using Quire.Tokenization;

namespace Quire.Engine.Intake;

/// <summary>
/// The only door: turns what a front end hands in into checked requests, on the caller's thread. Nothing unchecked gets past it.
/// </summary>
internal sealed class RequestIntake(InferenceEngine engine, ModelInfo model, ITokenizer? tokenizer, SamplerFactory samplers, LoraRegistry? loras)
{
    private long _lastId;

    /// <exception cref="QuireException">The request cannot be served as it is; nothing was admitted.</exception>
    public GenerationHandle Accept(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        long arrival = request.ArrivalTimestamp == 0 ? Stopwatch.GetTimestamp() : request.ArrivalTimestamp;
        SamplingParams sampling = request.Sampling.Normalized(out _);
        Check(sampling.Validate());

        // Greedy drops the filters, so their ranges are judged on what was asked; how many outputs greedy allows was judged above.
        Check((request.Sampling with { N = 1 }).Validate());
        int[] prompt = PromptTokens(request, sampling);
        sampling = sampling with { MaxTokens = OutputLimit(request, sampling, prompt.Length) };
        SamplerSettings settings = samplers.Settings(sampling);
        LoraEntry? lora = request.Lora is null ? null : FindLora(request.Lora);
        long firstId = Interlocked.Add(ref _lastId, sampling.N) - sampling.N + 1;
        string name = request.RequestId ?? $"request-{firstId}";
        var handle = new GenerationHandle(engine, name, request.Prompt.Text, prompt, sampling, arrival);
        RequestSpec spec = SpecOfFirst(handle, request, lora, firstId);
        Check(spec.Validate());
        SamplerState first = samplers.Create(settings, prompt, firstId);
        for (int i = 0; i < sampling.N; i++)
        {
            handle.Sequences[i] = i == 0
                ? new Sequence(handle, 0, spec, first) { Lora = lora, PromptLogprobs = Collector(sampling, prompt.Length) }
                : new Sequence(handle, i, spec with { Id = new RequestId(firstId + i) }, first.ForOutput(i)) { Lora = lora };
        }

        if (lora is not null)
        {
            loras!.Hold(lora, sampling.N);
        }

        return handle;
    }

    /// <summary>The first output as the scheduler sees it; the others differ in their id only and share its arrays.</summary>
    private RequestSpec SpecOfFirst(GenerationHandle handle, GenerationRequest request, LoraEntry? lora, long firstId)
    {
        SamplingParams sampling = handle.Sampling;
        return new RequestSpec
        {
            Id = new RequestId(firstId),
            PromptTokenIds = handle.PromptTokens,
            MaxTokens = sampling.MaxTokens!.Value,
            MinTokens = sampling.MinTokens,
            EosTokenId = sampling.IgnoreEos || model.EosTokenIds.Count == 0 ? null : model.EosTokenIds[0],
            StopTokenIds = StopTokens(sampling),
            Priority = request.Priority,
            CacheSalt = request.CacheSalt,
            LoraName = lora?.Identity,
            SkipReadingPrefixCache = sampling.SkipReadingPrefixCache ?? false,
            RepetitionDetection = sampling.RepetitionDetection,
        };
    }

    private PromptLogprobCollector? Collector(SamplingParams sampling, int promptLength) => sampling.PromptLogprobs is { } top
        ? new PromptLogprobCollector(promptLength, top < 0 ? model.VocabularySize : top)
        : null;

    private LoraEntry FindLora(string name) => loras?.Find(name) ?? throw new QuireException(
        ErrorCodes.UnknownModel, ErrorKind.NotFound, $"there is no LoRA adapter '{name}': the engine was started without enable_lora", "lora");

    /// <summary>Ends of text beyond the tokenizer's own count as stop tokens, as the model's generation config asks for.</summary>
    private int[] StopTokens(SamplingParams sampling)
    {
        if (sampling.IgnoreEos || model.EosTokenIds.Count < 2)
        {
            return [.. sampling.StopTokenIds];
        }

        var stops = new List<int>(sampling.StopTokenIds);
        for (int i = 1; i < model.EosTokenIds.Count; i++)
        {
            if (!stops.Contains(model.EosTokenIds[i]))
            {
                stops.Add(model.EosTokenIds[i]);
            }
        }

        return [.. stops];
    }

    private int[] PromptTokens(GenerationRequest request, SamplingParams sampling)
    {
        int[] tokens = request.Prompt.TokenIds ?? Encode(request.Prompt);
        if (request.TruncatePromptTokens is { } keep)
        {
            tokens = Truncate(tokens, keep, sampling);
        }

        if (tokens.Length == 0)
        {
            Check(new Refusal(RefusalCode.EmptyPrompt, "prompt", "The decoder prompt cannot be empty"));
        }

        foreach (int token in tokens)
        {
            if (token < 0 || token >= model.VocabularySize)
            {
                Check(new Refusal(RefusalCode.TokenOutOfVocabulary, "prompt_token_ids",
                    $"Token id {token} is out of vocabulary; ids are 0 to {model.VocabularySize - 1}"));
            }
        }

        return tokens;
    }

    private int[] Encode(Prompt prompt)
    {
        if (tokenizer is null)
        {
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request,
                "prompt must be token ids: the server runs without a tokenizer (skip_tokenizer_init)", "prompt");
        }

        try
        {
            return tokenizer.Encode(prompt.Guarded!, prompt.AddSpecialTokens);
        }
        catch (TokenizerException exception)
        {
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, $"prompt cannot be tokenised: {exception.Message}", "prompt", exception);
        }
    }

    /// <summary>Keeps the last tokens of a prompt.</summary>
    private int[] Truncate(int[] tokens, int keep, SamplingParams sampling)
    {
        if (keep < -1 || keep > model.MaxModelLen)
        {
            Check(new Refusal(RefusalCode.InvalidValue, "truncate_prompt_tokens",
                $"truncate_prompt_tokens must be between -1 and max_model_len={model.MaxModelLen}, got {keep}."));
        }

        int length = keep == -1 ? Math.Max(1, model.MaxModelLen - (sampling.MaxTokens ?? 1)) : keep;
        return tokens.Length <= length ? tokens : tokens[^length..];
    }

    private int OutputLimit(GenerationRequest request, SamplingParams sampling, int promptLength)
    {
        int room = model.MaxModelLen - promptLength;
        int? wanted = sampling.MaxTokens;
        if (room < 1 || (request.RejectOverlongOutput && wanted > room))
        {
            int output = wanted ?? 0;
            throw new QuireException(ErrorCodes.ContextExceeded, ErrorKind.Request,
                $"This model's maximum context length is {model.MaxModelLen} tokens. However, you requested {output} output tokens and your "
                + $"prompt contains {promptLength} input tokens, for a total of {(long)promptLength + output} tokens. Please reduce the length "
                + "of the input prompt or the number of requested output tokens.",
                "input_tokens");
        }

        return wanted is null ? room : Math.Min(room, wanted.Value);
    }

    private static void Check(Refusal? refusal)
    {
        if (refusal is not null)
        {
            throw QuireException.From(refusal);
        }
    }
}
