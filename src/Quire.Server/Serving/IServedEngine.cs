using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Quire.Engine;
using Quire.Engine.Intake;
using Quire.Engine.Lora;
using Quire.Engine.Metrics;
using Quire.Engine.Streaming;
using Quire.Tokenization;

namespace Quire.Server.Serving;

/// <summary>What the routes need of an engine. Tests put a scripted one in its place.</summary>
internal interface IServedEngine
{
    ModelInfo Model { get; }

    ITokenizer Tokenizer { get; }

    /// <summary>Null when the model has no chat template and none was given.</summary>
    IChatRenderer? Chat { get; }

    /// <summary>The LoRA adapters; null when they are off.</summary>
    LoraRegistry? Loras => null;

    EngineMetrics Metrics { get; }

    EngineHealth Health { get; }

    /// <summary>Validates, tokenises and admits.</summary>
    /// <exception cref="QuireException">The request is refused.</exception>
    IGeneration Submit(GenerationRequest request);

    /// <summary>Stops admitting, lets running requests end, and aborts what still runs after <paramref name="timeout"/>.</summary>
    Task DrainAsync(TimeSpan timeout);
}

/// <summary>One admitted prompt with its n outputs. Disposing it before the end aborts it.</summary>
internal interface IGeneration : IDisposable
{
    int OutputCount { get; }

    IReadOnlyList<int> PromptTokenIds { get; }

    string? PromptText { get; }

    /// <summary>From the first delta on, when asked for; the first entry is null.</summary>
    IReadOnlyList<TokenLogprobs?>? PromptLogprobs { get; }

    RequestTimings Timings { get; }

    /// <summary>The next piece of any output; null after the end of all.</summary>
    ValueTask<OutputDelta?> ReadAsync(CancellationToken cancellationToken);

    void Abort();
}

