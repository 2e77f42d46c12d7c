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

/// <summary>The real engine behind the seam of the routes.</summary>
internal sealed class EngineAdapter(InferenceEngine engine, IChatRenderer? chat) : IServedEngine
{
    public ModelInfo Model => engine.Model;

    public ITokenizer Tokenizer => engine.HasTokenizer
        ? engine.Tokenizer
        : throw new QuireException(ErrorCodes.BadRequest, ErrorKind.Request,
            "the server runs without a tokenizer (skip_tokenizer_init): it takes and gives token ids only");

    public IChatRenderer? Chat { get; } = chat;

    public LoraRegistry? Loras => engine.Loras;

    public EngineMetrics Metrics => engine.Metrics;

    public EngineHealth Health => engine.Health;

    public IGeneration Submit(GenerationRequest request) => new Generation(engine.Submit(request));

    public Task DrainAsync(TimeSpan timeout) => engine.DrainAsync(timeout);

    private sealed class Generation(GenerationHandle handle) : IGeneration
    {
        public int OutputCount => handle.OutputCount;

        public IReadOnlyList<int> PromptTokenIds => handle.PromptTokenIds;

        public string? PromptText => handle.PromptText;

        public IReadOnlyList<TokenLogprobs?>? PromptLogprobs => handle.PromptLogprobs;

        public RequestTimings Timings => handle.Timings;

        public ValueTask<OutputDelta?> ReadAsync(CancellationToken cancellationToken) => handle.ReadAsync(cancellationToken);

        public void Abort() => handle.Abort();

        public void Dispose() => handle.Dispose();
    }
}
