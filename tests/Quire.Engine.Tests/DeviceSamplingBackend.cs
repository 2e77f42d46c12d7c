using System;
using System.Collections.Generic;
using Quire.Cpu;
using Quire.Tensors;

namespace Quire.Engine.Tests;

/// <summary>
/// The CPU backend with what a GPU adds: it chooses tokens itself, gives them out only when they are asked for, and asks for steps of single
/// tokens to be recorded. With it the engine runs one step ahead, as on a GPU.
/// </summary>
internal sealed unsafe class DeviceSamplingBackend : IBackend, IDeviceSampler, IStepGraphs, IStepClock
{
    private readonly CpuBackend _cpu = new(new CpuOptions());
    private readonly int[]?[] _reads = new int[]?[4];
    private readonly HashSet<long> _keys = [];
    private int _next;

    /// <summary>Steps that were recorded or could have been replayed.</summary>
    public int Recordings { get; private set; }

    /// <summary>Token ids that were taken on the device because the host did not know them.</summary>
    public int ResolvedTokens { get; private set; }

    /// <summary>Most reads that were open at a time.</summary>
    public int MostOpenReads { get; private set; }

    public IReadOnlyCollection<long> Keys => _keys;

    public DeviceInfo Device => _cpu.Device;

    public DType ActivationType => _cpu.ActivationType;

    public ITensorOps Ops => _cpu.Ops;

    public IStepGraphs? Graphs => this;

    public IDeviceSampler? Sampler => this;

    public IStepClock? Clock => this;

    /// <summary>Steps that began on the clock; each has ended when the next one begins.</summary>
    public int ClockedSteps { get; private set; }

    /// <summary>True between the beginning of a step and its end.</summary>
    public bool IsInStep { get; private set; }

    public Tensor Allocate(DType type, int rows, int columns) => _cpu.Allocate(type, rows, columns);

    public StagingBuffer AllocateStaging(int bytes) => _cpu.AllocateStaging(bytes);

    public Tensor Upload(HostMatrix matrix) => _cpu.Upload(matrix);

    public Tensor Upload(HostMatrix matrix, DType type) => _cpu.Upload(matrix, type);

    public LinearWeight CreateLinear(LinearSource source) => _cpu.CreateLinear(source);

    public LinearWeight CreateLinear(Tensor weight) => _cpu.CreateLinear(weight);

    public KvCache CreateKvCache(KvCacheShape shape) => _cpu.CreateKvCache(shape);

    public void Synchronize() => _cpu.Synchronize();

    public Span<float> MapLogits(Tensor logits, int row) => _cpu.MapLogits(logits, row);

    public void Sample(Tensor logits, nint rows, Tensor tokens)
    {
        for (int i = 0; i < logits.Rows; i++)
        {
            Span<float> row = logits.HostRow<float>(i);
            RowSampling sampling = rows == 0 ? default : ((RowSampling*)rows)[i];
            tokens.HostRow<int>(0)[i] = Choose(row, sampling);
        }
    }

    void IStepClock.Start()
    {
    }

    DeviceTimes IStepClock.Stop() => new(ClockedSteps, 3, 1);

    void IStepClock.Begin()
    {
        Assert.False(IsInStep, "a step began before the one before it had ended");
        IsInStep = true;
        ClockedSteps++;
    }

    void IStepClock.End()
    {
        Assert.True(IsInStep, "a step ended twice");
        IsInStep = false;
    }

    public void Resolve(Tensor tokenIds, Tensor tokens)
    {
        foreach (ref int id in tokenIds.HostRow<int>(0))
        {
            if (id <= -2)
            {
                id = tokens.HostRow<int>(0)[-2 - id];
                ResolvedTokens++;
            }
        }
    }

    public int StartRead(Tensor tokens)
    {
        int read = _next;
        _next = (_next + 1) % _reads.Length;
        Assert.Null(_reads[read]);
        _reads[read] = tokens.HostRow<int>(0).ToArray();
        int open = 0;
        foreach (int[]? one in _reads)
        {
            open += one is null ? 0 : 1;
        }

        MostOpenReads = Math.Max(MostOpenReads, open);
        return read;
    }

    public ReadOnlySpan<int> FinishRead(int read)
    {
        int[] tokens = _reads[read]!;
        _reads[read] = null;
        return tokens;
    }

    public bool TryReplay(long key) => false;

    public void Begin(long key)
    {
        _keys.Add(key);
        Recordings++;
    }

    public void End(long key)
    {
    }

    public void Cancel()
    {
    }

    public void Dispose() => _cpu.Dispose();

    /// <summary>The best token, or a draw by inverse transform over exp(logit / temperature); no filters.</summary>
    private static int Choose(Span<float> logits, RowSampling sampling)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            best = logits[i] > logits[best] ? i : best;
        }

        if (sampling.InverseTemperature == 0)
        {
            return best;
        }

        double total = 0;
        foreach (float logit in logits)
        {
            total += Math.Exp((logit - logits[best]) * sampling.InverseTemperature);
        }

        double rest = sampling.Uniform * total;
        for (int i = 0; i < logits.Length; i++)
        {
            rest -= Math.Exp((logits[i] - logits[best]) * sampling.InverseTemperature);
            if (rest < 0)
            {
                return i;
            }
        }

        return best;
    }
}
