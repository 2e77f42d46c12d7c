using System;
using System.Collections.Generic;
using Quire.Core.Memory;
using Quire.Core.Scheduling;
using Quire.Engine.Execution;
using Quire.Engine.Intake;
using Quire.Engine.Lora;
using Quire.Engine.Options;
using Quire.Engine.Streaming;
using Quire.Models;
using Quire.Tensors;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Engine.Loading;

/// <summary>Everything that an engine runs on, put together by <see cref="EngineLoader"/>.</summary>
internal sealed record LoadedModel : IDisposable
{
    public required IBackend Backend { get; init; }

    public required DecoderModel Model { get; init; }

    public required ModelInfo Info { get; init; }

    public required ResolvedOptions Options { get; init; }

    public required MemoryPlan MemoryPlan { get; init; }

    public required Scheduler Scheduler { get; init; }

    public required ModelRunner Runner { get; init; }

    public required SamplerFactory Samplers { get; init; }

    /// <summary>The adapters; null without enable_lora.</summary>
    public required LoraRegistry? Loras { get; init; }

    public required ITokenizer? Tokenizer { get; init; }

    public required TextServices? Text { get; init; }

    public required ChatTemplateSet? ChatTemplates { get; init; }

    /// <summary>Labels of the metric cache_config_info.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> CacheConfig { get; init; }

    public void Dispose()
    {
        Model.Dispose();
        Backend.Dispose();
    }
}
