using System;
using Quire.Core.Foundation;
using Quire.Tensors;

namespace Quire.Engine.Sampling;

/// <summary>
/// What the sampler knows of one output of a request: its settings, its random stream, and what penalties and bad words need of the tokens
/// so far. It grows with <see cref="Accept"/> only, so preemption, batching and chunking leave it as it is.
/// </summary>
public sealed class SamplerState
{
    private const int TokensReservedMax = 16384;

    private readonly ulong _seed;
    private readonly ulong _stream;
    private readonly TokenCounts? _promptCounts; // Shared by the outputs of a request and never changed.
    private readonly int[] _recent;
    private TokenCounts? _counts;
    private int _recentCount;

    /// <param name="settings">The request's settings.</param>
    /// <param name="promptTokenIds">The prompt; only the repetition penalty looks at it.</param>
    /// <param name="requestKey">A number that no other request has; chance comes from it when the request has no seed of its own.</param>
    /// <param name="outputIndex">Which of the request's n outputs; with a seed, output i draws as seed + i does.</param>
    public SamplerState(SamplerSettings settings, ReadOnlySpan<int> promptTokenIds, ulong requestKey, int outputIndex = 0)
        : this(settings, requestKey, outputIndex)
    {
        if (settings.HasPenalties)
            _promptCounts = CountPrompt(settings, promptTokenIds);
    }

    private SamplerState(SamplerSettings settings, ulong requestKey, int outputIndex)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Settings = settings;
        RequestKey = requestKey;
        _seed = settings.Seed is { } seed ? unchecked((ulong)seed + (ulong)outputIndex) : requestKey;
        _stream = settings.Seed is null ? (ulong)outputIndex : 0;
        _recent = settings.BadWordReach > 0 ? new int[2 * settings.BadWordReach] : [];
    }

    private SamplerState(SamplerState sibling, int outputIndex)
        : this(sibling.Settings, sibling.RequestKey, outputIndex) => _promptCounts = sibling._promptCounts;

    public SamplerSettings Settings { get; }

    /// <summary>Tokens generated so far: the position of the next one in the output.</summary>
    public int OutputCount { get; private set; }

    /// <summary>When set, the next token is this one, whatever the logits (the end of a thinking section whose budget is spent).</summary>
    public int? ForcedTokenId { get; set; }

    /// <summary>What penalties look at; null without any.</summary>
    internal TokenCounts? Counts => _counts ?? _promptCounts;

    private ulong RequestKey { get; }

    /// <summary>The last tokens of the output, as many as bad words look at.</summary>
    internal ReadOnlySpan<int> Recent => _recent.AsSpan(0, _recentCount);

    /// <summary>Whether the next row will be changed before a token is chosen from it.</summary>
    internal bool ChangesLogits =>
        Counts is not null || ForcedTokenId is not null || Settings.AllowedMask is not null || Settings.BadWords.Length > 0
        || Settings.BiasIds.Length > 0 || MasksStopTokens;

    internal bool MasksStopTokens => OutputCount < Settings.MinTokens && Settings.MinTokensMask.Length > 0;

    /// <summary>The state of another output of the same request. The prompt is counted once for all of them.</summary>
    public SamplerState ForOutput(int outputIndex) => new(this, outputIndex);

    /// <summary>Whether temperature and filters are all that the next token needs, and nothing is reported but the token.</summary>
    internal bool IsSimple => !ChangesLogits && Settings.LogprobCount is null;

    /// <summary>How the device chooses a token.</summary>
    /// <param name="ahead">Tokens that were chosen already and not accepted yet.</param>
    internal RowSampling ForDevice(int ahead) => new()
    {
        InverseTemperature = Settings.IsGreedy ? 0 : (float)(1 / Settings.Temperature),
        MinP = (float)Settings.MinP,
        TopP = (float)Settings.TopP,
        TopK = Settings.TopK,
        Uniform = Settings.IsGreedy ? 0 : Philox.UniformDouble(_seed, _stream, (ulong)(OutputCount + ahead)),
    };

    /// <summary>Appends a token to the output. The forced token, if any, is used up.</summary>
    public void Accept(int tokenId)
    {
        OutputCount++;
        ForcedTokenId = null;
        if (_promptCounts is not null)
        {
            // Room of its own from the first token on: outputs that wait cost next to nothing, however many a request asks for.
            _counts ??= _promptCounts.Copy((int)Math.Min(Settings.VocabularySize, _promptCounts.Count + (long)Math.Min(Settings.ExpectedTokens, TokensReservedMax)));
            _counts.AddOutputToken(tokenId);
        }

        if (_recent.Length == 0)
            return;
        if (_recentCount == _recent.Length)
        {
            _recentCount = Settings.BadWordReach;
            _recent.AsSpan(_recentCount).CopyTo(_recent);
        }

        _recent[_recentCount++] = tokenId;
    }

    /// <summary>The random number in [0, 1) of the next position: a function of seed and position alone.</summary>
    internal double Uniform() => Philox.UniformDouble(_seed, _stream, (ulong)OutputCount);

    private static TokenCounts CountPrompt(SamplerSettings settings, ReadOnlySpan<int> promptTokenIds)
    {
        if (settings.RepetitionPenalty == 1f)
            return new TokenCounts(0);
        var counts = new TokenCounts(Math.Min(promptTokenIds.Length, settings.VocabularySize));
        foreach (int token in promptTokenIds)
            counts.AddPromptToken(token);
        return counts;
    }
}
