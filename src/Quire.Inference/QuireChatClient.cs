using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Inference;

/// <summary>
/// A loaded model as an <see cref="IChatClient"/>. Sampling options that Microsoft.Extensions.AI has no name for go through
/// <see cref="ChatOptions.RawRepresentationFactory"/>, which may return <see cref="SamplingParams"/> to start from.
/// </summary>
internal sealed class QuireChatClient(Llm llm) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("quire", providerUri: null, llm.Model.ServedNames[0]);

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        using GenerationHandle handle = Submit(messages, options);
        RequestOutput output = await handle.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return new ChatResponse(output.Outputs.Select(each => new ChatMessage(ChatRole.Assistant, each.Text) { MessageId = MessageId(handle, each.Index) }).ToList())
        {
            ResponseId = handle.RequestId,
            ModelId = llm.Model.ServedNames[0],
            CreatedAt = DateTimeOffset.UtcNow,
            FinishReason = Reason(output.Outputs[0].FinishReason),
            Usage = Usage(handle, output.Outputs.Sum(each => each.TokenIds.Count)),
            RawRepresentation = output,
        };
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        using GenerationHandle handle = Submit(messages, options);
        long tokens = 0;
        while (await handle.ReadAsync(cancellationToken).ConfigureAwait(false) is { } delta)
        {
            tokens += delta.TokenIds.Count;
            if (delta.Text.Length > 0 || delta.FinishReason is not null)
                yield return Update(handle, delta);
        }

        yield return new ChatResponseUpdate(ChatRole.Assistant, [new UsageContent(Usage(handle, tokens))])
        {
            ResponseId = handle.RequestId,
            MessageId = MessageId(handle, 0),
            ModelId = llm.Model.ServedNames[0],
        };
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(Llm) ? llm
            : serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>The model stays with its owner.</summary>
    public void Dispose()
    {
    }

    private GenerationHandle Submit(IEnumerable<ChatMessage> messages, ChatOptions? options) =>
        llm.Engine.Submit(new GenerationRequest { Prompt = ChatPrompt.Render(llm.Engine, messages, options), Sampling = Sampling(options) });

    /// <summary>An answer may be as long as the context unless somebody sets a limit: 16 tokens are a default for completions.</summary>
    private SamplingParams Sampling(ChatOptions? options)
    {
        SamplingParams start = options?.RawRepresentationFactory?.Invoke(this) as SamplingParams
            ?? llm.DefaultSampling with { MaxTokens = llm.Model.GenerationDefaults.MaxNewTokens };
        if (options is null)
            return start;
        return start with
        {
            Temperature = options.Temperature ?? start.Temperature,
            TopP = options.TopP ?? start.TopP,
            TopK = options.TopK ?? start.TopK,
            FrequencyPenalty = options.FrequencyPenalty ?? start.FrequencyPenalty,
            PresencePenalty = options.PresencePenalty ?? start.PresencePenalty,
            Seed = options.Seed ?? start.Seed,
            MaxTokens = options.MaxOutputTokens ?? start.MaxTokens,
            Stop = options.StopSequences is { Count: > 0 } stop ? stop.ToArray() : start.Stop,
            StructuredOutputs = Constraint(options.ResponseFormat) ?? start.StructuredOutputs,
        };
    }

    private static StructuredOutputs? Constraint(ChatResponseFormat? format) => format switch
    {
        ChatResponseFormatJson { Schema: { } schema } => new StructuredOutputs { Json = schema.GetRawText() },
        ChatResponseFormatJson => new StructuredOutputs { JsonObject = true },
        _ => null,
    };

    private ChatResponseUpdate Update(GenerationHandle handle, OutputDelta delta) => new(ChatRole.Assistant, delta.Text)
    {
        ResponseId = handle.RequestId,
        MessageId = MessageId(handle, delta.Index),
        ModelId = llm.Model.ServedNames[0],
        CreatedAt = DateTimeOffset.UtcNow,
        FinishReason = delta.FinishReason is null ? null : Reason(delta.FinishReason),
    };

    private static string MessageId(GenerationHandle handle, int index) => index == 0 ? handle.RequestId : new StringBuilder(handle.RequestId).Append('-').Append(index).ToString();

    private static ChatFinishReason? Reason(FinishReason? reason) => reason switch
    {
        null => null,
        FinishReason.Length => ChatFinishReason.Length,
        FinishReason.Stop or FinishReason.Repetition => ChatFinishReason.Stop,
        { } other => new ChatFinishReason(other.ToString().ToLowerInvariant()),
    };

    private static UsageDetails Usage(GenerationHandle handle, long outputTokens) => new()
    {
        InputTokenCount = handle.PromptTokenIds.Count,
        OutputTokenCount = outputTokens,
        TotalTokenCount = handle.PromptTokenIds.Count + outputTokens,
        CachedInputTokenCount = handle.Timings.CachedTokens,
    };
}
