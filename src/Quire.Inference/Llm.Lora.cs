using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Lora;
using Quire.Engine.Streaming;

namespace Quire.Inference;

/// <summary>
/// Generation with LoRA adapters, on a model that was loaded with <see cref="EngineOptions.EnableLora"/>. An adapter is loaded the first
/// time that a call names it, and stays until it is unloaded; calls with different adapters share batches.
/// </summary>
public sealed partial class Llm
{
    /// <summary>The adapters that are loaded.</summary>
    public IReadOnlyList<LoraAdapterInfo> Loras => Engine.Loras?.Loaded ?? [];

    /// <summary>Continues one prompt with an adapter.</summary>
    /// <exception cref="QuireException">The adapter, the prompt or the parameters are refused.</exception>
    public async Task<RequestOutput> GenerateAsync(string prompt, SamplingParams? sampling, LoraRequest lora, CancellationToken cancellationToken = default) =>
        (await GenerateAsync([Prompt.FromText(prompt)], sampling, lora, cancellationToken).ConfigureAwait(false))[0];

    /// <summary>Continues prompts with an adapter, in one batch; results are in the order of the prompts.</summary>
    /// <exception cref="QuireException">The adapter, a prompt or the parameters are refused; then none of the call is generated.</exception>
    public async Task<RequestOutput[]> GenerateAsync(
        IReadOnlyList<Prompt> prompts, SamplingParams? sampling, LoraRequest lora, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        await LoadLoraAsync(lora, cancellationToken: cancellationToken).ConfigureAwait(false);
        SamplingParams[] each = Enumerable.Repeat(sampling ?? DefaultSampling, prompts.Count).ToArray();
        return await GenerateAsync(prompts, each, lora.Name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Answers a conversation with an adapter, by the model's chat template.</summary>
    /// <exception cref="QuireException">The adapter is refused, the model has no chat template, or the conversation is refused.</exception>
    public async Task<RequestOutput> ChatAsync(
        IEnumerable<ChatMessage> messages, SamplingParams? sampling, LoraRequest lora, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        Prompt prompt = ChatPrompt.Render(Engine, messages, options: null);
        return (await GenerateAsync([prompt], sampling, lora, cancellationToken).ConfigureAwait(false))[0];
    }

    /// <summary>Continues a prompt with an adapter piece by piece, as <see cref="StreamAsync(Prompt, SamplingParams, CancellationToken)"/>. The adapter is loaded already.</summary>
    /// <exception cref="QuireException">There is no adapter of that name, or the prompt or the parameters are refused.</exception>
    public IAsyncEnumerable<RequestOutput> StreamAsync(Prompt prompt, SamplingParams? sampling, string loraName, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(loraName);
        return StreamCoreAsync(prompt, sampling, loraName, cancellationToken);
    }

    /// <summary>Loads an adapter unless it is loaded from this path already.</summary>
    /// <param name="lora">Name and folder.</param>
    /// <param name="inPlace">Whether it is read again, replacing what has the name; calls that run go on with the old one.</param>
    /// <param name="cancellationToken">Gives up before it is read.</param>
    /// <exception cref="QuireException">
    /// Adapters are off, there is none at the path, it does not fit the model, or the name belongs to another path.
    /// </exception>
    public async Task LoadLoraAsync(LoraRequest lora, bool inPlace = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(lora);
        LoraRegistry registry = Engine.Loras
            ?? throw new QuireException(ErrorCodes.ConflictingOptions, ErrorKind.Usage, "LoRA adapters need the engine option enable_lora", "enable_lora");
        if (inPlace || Loaded() is null)
        {
            try
            {
                await Task.Run(() => registry.Load(lora, inPlace), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (QuireException) when (!inPlace && Loaded() is not null)
            {
                // Two calls began with the same adapter at once, and the other one was faster.
            }
        }

        if (Path.GetFullPath(Loaded()?.Request.Path ?? lora.Path) != Path.GetFullPath(lora.Path))
            throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, $"the LoRA adapter '{lora.Name}' is loaded from another folder; unload it first, or load in place", "lora");

        LoraAdapterInfo? Loaded() => registry.Loaded.FirstOrDefault(each => each.Request.Name == lora.Name);
    }

    /// <summary>Takes an adapter away; calls that run go on with it. False when there is none of that name.</summary>
    public bool UnloadLora(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Engine.Loras?.Unload(name) ?? false;
    }
}
