using Quire.Core.Requests;
using Quire.Engine.Lora;
using Quire.Engine.Sampling;
using Quire.Engine.Streaming;

namespace Quire.Engine.Execution;

/// <summary>Stopwatch timestamps of one sequence, written by the engine's thread; 0 means not yet.</summary>
internal struct SequenceTimes
{
    public long Queued;
    public long Scheduled;
    public long FirstToken;
    public long LastToken;
    public int Tokens;
    public int Preemptions;
}

/// <summary>
/// One output of a request inside the engine: what hangs on the scheduler's <see cref="RequestState"/>. Only the engine's thread writes
/// to it; the reader sees it after the event that ended the output.
/// </summary>
internal sealed class Sequence(GenerationHandle handle, int index, RequestSpec spec, SamplerState sampler)
{
    public SequenceTimes Times;

    public GenerationHandle Handle { get; } = handle;

    public int Index { get; } = index;

    public RequestSpec Spec { get; } = spec;

    public SamplerState Sampler { get; } = sampler;

    /// <summary>Scores of the prompt's tokens, gathered chunk by chunk; null when not asked for.</summary>
    public PromptLogprobCollector? PromptLogprobs { get; init; }

    /// <summary>The adapter, or null for the model as it is.</summary>
    public LoraEntry? Lora { get; init; }

    /// <summary>Where the sequence is counted among those of its adapter.</summary>
    public LoraPhase LoraPhase { get; private set; }

    public int CachedTokens { get; set; }

    /// <summary>Which of the sampling rows of the last launched step this was: where the device has its newest token.</summary>
    public int SampleIndex { get; set; }

    /// <summary>True once its end was reported to the handle.</summary>
    public bool IsFinished { get; set; }

    /// <summary>Counts the sequence as waiting, running or neither.</summary>
    public void Enter(LoraPhase phase)
    {
        if (Lora is not null && LoraPhase != phase)
        {
            Lora.Count(LoraPhase, phase);
            LoraPhase = phase;
        }
    }
}
