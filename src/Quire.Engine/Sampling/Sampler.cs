using System;
using System.Diagnostics;

namespace Quire.Engine.Sampling;

/// <summary>
/// Chooses tokens from rows of logits, with vLLM's order of steps (and its sort form's handling of ties; among equal logits at the cut of
/// top_p the lowest ids stay). It holds scratch memory and is used by one thread at a time; a row's result depends only on the row and the
/// sequence's state. Unless log-probabilities are asked for, nothing is allocated once the scratch memory has grown to the vocabulary.
/// </summary>
public sealed class Sampler
{
    private const int WideCount = 1024;

    private readonly CandidateSet _candidates = new();
    private readonly WideSelect _wide = new();
    private readonly LogprobCollector _collector = new();
    private readonly float[] _maxima;
    private readonly double[] _sums;
    private float[] _raw = [];

    // What Filter found: which tokens of the row can be drawn.
    private int _blocks;
    private float _maximum;
    private float _scale;
    private float _floor;
    private int _ties;
    private double _total;
    private bool _gathered;

    /// <param name="vocabularySize">The longest row that will come.</param>
    public Sampler(int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        _maxima = new float[RowScan.BlockCount(vocabularySize)];
        _sums = new double[_maxima.Length];
    }

    /// <summary>
    /// Chooses the next token of a sequence. The state is not changed: call <see cref="SamplerState.Accept"/> when the token is final.
    /// Rows after drafts of a speculation are sampled after accepting those drafts.
    /// </summary>
    /// <param name="logits">One row, [vocabulary], after a grammar's mask. It is overwritten.</param>
    /// <param name="state">The sequence.</param>
    /// <param name="token">The token; 0 with a fault.</param>
    /// <param name="logprobs">The report, when the request asks for one.</param>
    public SamplingFault Sample(Span<float> logits, SamplerState state, out int token, out SampledLogprobs? logprobs)
    {
        ArgumentNullException.ThrowIfNull(state);
        SamplerSettings settings = state.Settings;
        CheckLength(logits.Length, settings);
        token = 0;
        logprobs = null;
        bool reportsRaw = settings.LogprobCount is not null && settings.LogprobsMode.IsRaw();
        ReadOnlySpan<float> raw = logits;
        if (reportsRaw && state.ChangesLogits)
            raw = CopyRaw(logits);
        SamplingFault fault = Filter(logits, state);
        if (fault != SamplingFault.None)
            return fault;
        token = settings.IsGreedy ? RowScan.FirstMaximum(logits, Maxima, _maximum) : Draw(logits, state.Uniform());
        if (settings.LogprobCount is not { } count)
            return SamplingFault.None;
        bool asLogits = settings.LogprobsMode.IsLogits();
        if (reportsRaw)
            return _collector.Collect(raw, token, count, settings.LogprobTokenIds, 1f, asLogits, out logprobs);
        ApplyFilter(logits);
        return _collector.Collect(logits, token, count, settings.LogprobTokenIds, _scale, asLogits, out logprobs);
    }

    /// <summary>
    /// Scores a token of the prompt by the row of the position before it. No processor applies; of the mode only the choice between
    /// logits and log-probabilities counts.
    /// </summary>
    /// <param name="logits">One row, [vocabulary].</param>
    /// <param name="tokenId">The prompt's token at the next position.</param>
    /// <param name="count">How many of the best tokens to report; −1 is all.</param>
    /// <param name="mode">Logits or log-probabilities.</param>
    /// <param name="logprobs">The report; null with a fault.</param>
    public SamplingFault ScorePromptToken(
        ReadOnlySpan<float> logits, int tokenId, int count, LogprobsMode mode, out SampledLogprobs? logprobs) =>
        _collector.Collect(logits, tokenId, count < 0 ? logits.Length : count, null, 1f, mode.IsLogits(), out logprobs);

    /// <summary>The whole distribution from which <see cref="Sample"/> would draw, found by the same steps. It allocates.</summary>
    /// <param name="logits">One row, [vocabulary]. It is overwritten.</param>
    /// <param name="state">The sequence.</param>
    /// <param name="reportedToken">A token to report ranks and log-probabilities of.</param>
    /// <param name="distribution">The answer; null with a fault.</param>
    public SamplingFault Describe(Span<float> logits, SamplerState state, int? reportedToken, out TokenDistribution? distribution)
    {
        ArgumentNullException.ThrowIfNull(state);
        SamplerSettings settings = state.Settings;
        CheckLength(logits.Length, settings);
        distribution = null;
        float[] raw = logits.ToArray();
        SamplingFault fault = Filter(logits, state);
        if (fault != SamplingFault.None)
            return fault;
        int greedy = RowScan.FirstMaximum(logits, Maxima, _maximum);
        (int[] ids, double[] probabilities) = settings.IsGreedy ? ([greedy], [1.0]) : Probabilities(logits);
        ApplyFilter(logits);
        int kept = RowScan.CountFrom(logits, float.MinValue);
        TokenReport? report = null;
        if (reportedToken is { } token)
        {
            fault = Report(raw, logits, token, settings, out report);
            if (fault != SamplingFault.None)
                return fault;
        }

        distribution = new TokenDistribution(ids, probabilities, kept, greedy, report);
        return SamplingFault.None;
    }

    internal static SamplingFault FaultOf(float maximum)
    {
        if (float.IsNaN(maximum))
            return SamplingFault.NotANumber;
        if (float.IsPositiveInfinity(maximum))
            return SamplingFault.Infinite;
        return float.IsNegativeInfinity(maximum) ? SamplingFault.NothingAllowed : SamplingFault.None;
    }

    private Span<float> Maxima => _maxima.AsSpan(0, _blocks);

    private void CheckLength(int length, SamplerSettings settings)
    {
        if (length != settings.VocabularySize || RowScan.BlockCount(length) > _maxima.Length)
            throw new ArgumentException($"A row of {length} logits for a vocabulary of {settings.VocabularySize}.", nameof(length));
    }

    private ReadOnlySpan<float> CopyRaw(ReadOnlySpan<float> logits)
    {
        if (_raw.Length < logits.Length)
            _raw = new float[logits.Length];
        logits.CopyTo(_raw);
        return _raw.AsSpan(0, logits.Length);
    }

    /// <summary>
    /// Everything up to the draw: single logits, temperature, min_p, top_k, top_p. What can be drawn is then the tokens at or above
    /// <see cref="_floor"/>, of those equal to it at most <see cref="_ties"/>; they are in the candidates if <see cref="_gathered"/>.
    /// </summary>
    private SamplingFault Filter(Span<float> logits, SamplerState state)
    {
        SamplerSettings settings = state.Settings;
        LogitsPipeline.Apply(logits, state);
        _blocks = RowScan.BlockCount(logits.Length);
        _maximum = RowScan.BlockMaxima(logits, Maxima);
        _scale = (float)(1.0 / settings.Temperature);
        _floor = float.MinValue;
        _ties = int.MaxValue;
        _gathered = false;
        SamplingFault fault = FaultOf(_maximum);
        if (fault != SamplingFault.None || settings.IsGreedy)
            return fault;
        if (settings.MinP > 0)
            _floor = AtLeast(_maximum + (settings.Temperature * Math.Log(settings.MinP)));
        if (settings.TopK > 0)
            FilterTopK(logits, settings.TopK);
        if (settings.TopP < 1)
            FilterTopP(logits, settings);
        if (!_gathered)
            _total = RowScan.BlockSums(logits, Maxima, _maximum, _scale, _floor, _sums);
        return SamplingFault.None;
    }

    private void FilterTopK(ReadOnlySpan<float> logits, int topK)
    {
        // All ties of the k-th value stay.
        float bound = Math.Max(_floor, _candidates.TopBound(Maxima, topK));
        if (IsWide(logits, bound, out int count))
        {
            if (count >= topK)
                _floor = _wide.FindTop(logits, Maxima, _maximum, bound, topK);
            return;
        }

        _candidates.Gather(logits, Maxima, bound);
        if (_candidates.Count >= topK)
        {
            _floor = _candidates.FindTop(topK).Value;
            _candidates.Keep(_floor, int.MaxValue);
        }

        _candidates.Weigh(_maximum, _scale);
        _total = _candidates.TotalWeight();
        _gathered = true;
    }

    private void FilterTopP(Span<float> logits, SamplerSettings settings)
    {
        if (!_gathered)
        {
            // Tokens of a probability up to (1 − top_p) / vocabulary together stay below 1 − top_p, so all of them are dropped anyway.
            _total = RowScan.BlockSums(logits, Maxima, _maximum, _scale, _floor, _sums);
            double smallest = _total * (1 - settings.TopP) / logits.Length * 0.999;
            double exponent = Math.Max(Math.Log(smallest), RowScan.SmallestExponent);
            float bound = Math.Max(_floor, AtMost(_maximum + (settings.Temperature * exponent)));
            if (IsWide(logits, bound, out _))
            {
                Cut wide = _wide.FindNucleus(logits, Maxima, _maximum, _scale, bound, settings.TopP * _total);
                _floor = wide.Value;
                MaskTies(logits, wide.Value, wide.Ties);
                return;
            }

            _candidates.Gather(logits, Maxima, bound);
            _candidates.Weigh(_maximum, _scale);
            _gathered = true;
        }

        // Dropping from below while the sum is ≤ 1 − p is taking from above while the sum before is < p.
        Cut cut = _candidates.FindNucleus(settings.TopP * _total);
        _floor = cut.Value;
        _ties = cut.Ties;
        _candidates.Keep(cut.Value, cut.Ties);
        _total = _candidates.TotalWeight();
    }

    /// <summary>Whether passes over the whole row are cheaper than taking out the tokens from a bound on; if so, how many they are.</summary>
    private bool IsWide(ReadOnlySpan<float> logits, float bound, out int count)
    {
        int limit = Math.Max(WideCount, logits.Length / 8);
        count = 0;
        int most = RowScan.CountFrom(Maxima, bound) * RowScan.BlockLength;
        if (most <= limit)
            return false;
        count = RowScan.CountFrom(logits, bound);
        return count > limit;
    }

    /// <summary>Inverse transform sampling in the order of ids: the first token at which the sum of the weights exceeds the draw.</summary>
    private int Draw(ReadOnlySpan<float> logits, double uniform)
    {
        double rest = uniform * _total;
        if (_gathered)
        {
            int index = IndexInSum(_candidates.Weights, ref rest);
            return _candidates.Ids[index];
        }

        int block = 0;
        int lastPossible = 0;
        for (; block < _blocks; block++)
        {
            if (_sums[block] > rest)
                break;
            if (_sums[block] > 0)
                lastPossible = block;
            rest -= _sums[block];
        }

        block = block < _blocks ? block : lastPossible;
        int first = block * RowScan.BlockLength;
        ReadOnlySpan<float> values = logits.Slice(first, Math.Min(RowScan.BlockLength, logits.Length - first));
        Span<float> weights = stackalloc float[RowScan.BlockLength];
        RowScan.Weights(values, _maximum, _scale, _floor, weights);
        return first + IndexInSum(weights[..values.Length], ref rest);
    }

    /// <summary>The first index at which the sum exceeds <paramref name="rest"/>; if rounding leaves none, the last possible one.</summary>
    private static int IndexInSum(ReadOnlySpan<float> weights, ref double rest)
    {
        int lastPossible = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] <= 0)
                continue;
            if (weights[i] > rest)
                return i;
            rest -= weights[i];
            lastPossible = i;
        }

        Debug.Assert(weights[lastPossible] > 0, "A block was chosen that has nothing to draw.");
        return lastPossible;
    }

    /// <summary>Sets every token that cannot be drawn to −∞.</summary>
    private void ApplyFilter(Span<float> logits)
    {
        if (_floor > float.MinValue)
            RowScan.MaskBelow(logits, _floor);
        if (_ties < int.MaxValue)
            MaskTies(logits, _floor, _ties);
    }

    /// <summary>Of the logits equal to a value only the first few stay.</summary>
    private static void MaskTies(Span<float> logits, float value, int kept)
    {
        int start = 0;
        for (int at = logits.IndexOf(value); at >= 0; at = logits[start..].IndexOf(value))
        {
            start += at + 1;
            if (kept-- <= 0)
                logits[start - 1] = float.NegativeInfinity;
        }
    }

    private (int[] Ids, double[] Probabilities) Probabilities(ReadOnlySpan<float> logits)
    {
        if (!_gathered)
        {
            _candidates.Gather(logits, Maxima, _floor);
            _candidates.Weigh(_maximum, _scale);
        }

        int count = 0;
        foreach (float weight in _candidates.Weights)
            count += weight > 0 ? 1 : 0;
        var ids = new int[count];
        var probabilities = new double[count];
        count = 0;
        for (int i = 0; i < _candidates.Count; i++)
        {
            if (_candidates.Weights[i] <= 0)
                continue;
            ids[count] = _candidates.Ids[i];
            probabilities[count++] = _candidates.Weights[i] / _total;
        }

        return (ids, probabilities);
    }

    private SamplingFault Report(float[] raw, ReadOnlySpan<float> processed, int token, SamplerSettings settings, out TokenReport? report)
    {
        report = null;
        int count = settings.LogprobCount ?? 0;
        int[]? chosen = settings.LogprobTokenIds;
        SamplingFault fault = _collector.Collect(raw, token, count, chosen, 1f, false, out SampledLogprobs? rawLogprobs);
        if (fault != SamplingFault.None)
            return fault;
        fault = _collector.Collect(processed, token, count, chosen, _scale, false, out SampledLogprobs? processedLogprobs);
        if (fault != SamplingFault.None)
            return fault;
        report = new TokenReport(
            LogprobCollector.RankOf(raw, token), LogprobCollector.RankOf(processed, token), rawLogprobs!, processedLogprobs!);
        return SamplingFault.None;
    }

    /// <summary>The smallest float that is not below a number.</summary>
    private static float AtLeast(double value)
    {
        float nearest = (float)value;
        return Math.Max(nearest < value ? MathF.BitIncrement(nearest) : nearest, float.MinValue);
    }

    /// <summary>The largest float that is not above a number.</summary>
    private static float AtMost(double value)
    {
        float nearest = (float)value;
        return Math.Max(nearest > value ? MathF.BitDecrement(nearest) : nearest, float.MinValue);
    }
}
