using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using Quire.Cuda;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.GpuBench;

/// <summary>
/// Every operation of the CUDA backend against its definition, on fresh random inputs, alone and in the sequences that are fused. The
/// limits are those of BF16: eight bits of mantissa give a relative error of about 2e-3 for one rounding.
/// </summary>
internal static class OperationChecks
{
    private const double OneRounding = 4e-3;
    private const double SeveralRoundings = 1.2e-2;

    public static int Run(string[] arguments)
    {
        int seed = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : Environment.TickCount;
        string filter = arguments.Length > 1 ? arguments[1] : "";
        Console.WriteLine($"seed {seed}");
        int failures = 0;
        foreach (bool fuse in new[] { true, false })
        {
            var start = Stopwatch.StartNew();
            using CudaBackend cuda = Program.Open(fuse);
            Console.WriteLine($"{cuda.Device.Description}, fused: {fuse}, open in {start.ElapsedMilliseconds} ms");
            var checks = new List<(string Name, Func<TwinWorld, double> Check, double Limit)>();
            Elementwise(checks);
            Products(checks);
            PackedProducts.Add(checks);
            ManyRows.Add(checks);
            Attention(checks);
            QuantizedAttention(checks);
            Experts(checks);
            checks.RemoveAll(check => !Matches(check.Name, filter));
            foreach ((string name, Func<TwinWorld, double> check, double limit) in checks)
            {
                using var world = new TwinWorld(cuda, seed);
                double difference;
                try
                {
                    difference = check(world);
                }
                catch (Exception exception) when (exception is CudaException or InvalidOperationException or NotSupportedException or ArgumentException)
                {
                    Console.WriteLine($"FAILED {name}: {exception.Message}");
                    failures++;
                    continue;
                }

                bool good = difference <= limit;
                failures += good ? 0 : 1;
                if (!good)
                {
                    Console.WriteLine($"FAILED {name}: relative difference {difference:E2}, limit {limit:E2}");
                }
            }

            Console.WriteLine($"{checks.Count} checks");
        }

        Console.WriteLine(failures == 0 ? "all passed" : $"{failures} FAILED");
        return failures == 0 ? 0 : 1;
    }

    /// <summary>A part of the name; or, after an exclamation mark, what it must not begin with.</summary>
    private static bool Matches(string name, string filter) => filter.StartsWith('!')
        ? !Array.Exists(filter[1..].Split(','), part => name.StartsWith(part, StringComparison.Ordinal))
        : name.Contains(filter, StringComparison.Ordinal);

    private static void Elementwise(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        foreach (int columns in new[] { 64, 384, 4096, 8192, 100, 20000 })
        {
            checks.Add(($"embed {columns}", w =>
            {
                Twin table = w.Numbers(50, columns);
                Twin ids = w.Integers(3, 0, 49, 7, 7);
                Twin y = w.Output(5, columns);
                Both(w, (ops, side) => ops.Embed(side(ids), side(table), 1.5f, side(y)));
                return w.Difference(y);
            }, OneRounding));
            checks.Add(($"rms norm {columns}", w =>
            {
                Twin x = w.Numbers(9, columns);
                Twin weight = w.Numbers(1, columns);
                Twin y = w.Output(9, columns);
                Both(w, (ops, side) => ops.RmsNorm(side(x), side(weight), 1e-5f, 1, side(y)));
                return w.Difference(y);
            }, OneRounding));
            checks.Add(($"add rms norm {columns}", w =>
            {
                Twin x = w.Numbers(20, columns);
                Twin residual = w.Numbers(20, columns);
                Twin weight = w.Numbers(1, columns);
                Both(w, (ops, side) => ops.AddRmsNorm(side(x), side(residual), side(weight), 1e-5f, 0, side(x)));
                return Math.Max(w.Difference(x), w.Difference(residual));
            }, OneRounding));
            checks.Add(($"layer norm {columns}", w =>
            {
                Twin x = w.Numbers(5, columns);
                Twin weight = w.Numbers(1, columns);
                Twin bias = w.Numbers(1, columns);
                Twin y = w.Output(5, columns);
                Both(w, (ops, side) => ops.LayerNorm(side(x), side(weight), side(bias), 1e-5f, side(y)));
                return w.Difference(y);
            }, OneRounding));
        }

        checks.Add(("head norm", w =>
        {
            Twin x = w.Numbers(7, 12 * 128);
            Twin weight = w.Numbers(1, 128);
            Both(w, (ops, side) => ops.RmsNorm(side(x).ColumnRange(128, 8 * 128), side(weight), 1e-6f, 0, side(x).ColumnRange(128, 8 * 128)));
            return w.Difference(x);
        }, OneRounding));
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            checks.Add(($"gated {activation}", w =>
            {
                Twin x = w.Numbers(40, 2 * 1000);
                Twin y = w.Output(40, 1000);
                Both(w, (ops, side) => ops.GatedActivation(activation, side(x), side(y)));
                return w.Difference(y);
            }, OneRounding));
            checks.Add(($"activate {activation}", w =>
            {
                Twin x = w.Numbers(5, 1000);
                Both(w, (ops, side) => ops.Activate(activation, side(x)));
                return w.Difference(x);
            }, OneRounding));
        }

        checks.Add(("add, scale, gather, logits", w =>
        {
            Twin x = w.Numbers(5, 1000);
            Twin y = w.Numbers(5, 1000);
            Twin gathered = w.Output(3, 1000);
            Twin rows = w.Integers(4, 0, 2);
            Twin logits = w.Numbers(3, 5000, DType.F32, 10);
            Both(w, (ops, side) =>
            {
                ops.Add(side(x), 0.22f, side(y));
                ops.Scale(side(y), 0.5f);
                ops.GatherRows(side(y), side(rows), side(gathered));
                ops.SoftCap(side(logits), 5);
                ops.Scale(side(logits), 0.25f);
            });
            return Math.Max(w.Difference(gathered), w.Difference(logits));
        }, OneRounding));
    }

    private static void Products(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        foreach ((int rows, int inner, int outer) in new[] { (1, 384, 640), (3, 1024, 1000), (8, 2048, 3072), (9, 768, 520), (40, 512, 1024), (5, 100, 30), (200, 64, 72) })
        {
            foreach (bool bias in new[] { false, true })
            {
                checks.Add(($"linear {rows}x{inner}x{outer} bias {bias}", w =>
                {
                    Twin x = w.Numbers(rows, inner);
                    Twin y = w.Output(rows, outer);
                    (LinearWeight host, LinearWeight device) = Weight(w, outer, inner, bias);
                    w.Reference.Linear(x.Host, host, y.Host);
                    w.Cuda.Ops.Linear(x.Device, device, y.Device);
                    return w.Difference(y);
                }, OneRounding));
            }

            checks.Add(($"logits {rows}x{inner}x{outer}", w =>
            {
                Twin x = w.Numbers(rows, inner);
                Twin y = w.Output(rows, outer, DType.F32);
                (LinearWeight host, LinearWeight device) = Weight(w, outer, inner, false);
                w.Reference.Linear(x.Host, host, y.Host);
                w.Cuda.Ops.Linear(x.Device, device, y.Device);
                return w.Difference(y);
            }, 1e-5));
            checks.Add(($"residual, norm, product, gate {rows}x{inner}x{outer}", w =>
            {
                Twin x = w.Numbers(rows, outer);
                Twin branch = w.Output(rows, inner);
                Twin residual = w.Numbers(rows, inner);
                Twin weight = w.Numbers(1, inner);
                Twin gateUp = w.Output(rows, 2 * outer);
                Twin y = w.Output(rows, outer);
                Twin qkv = w.Output(rows, inner);
                (LinearWeight h1, LinearWeight d1) = Weight(w, inner, outer, true);
                (LinearWeight h2, LinearWeight d2) = Weight(w, 2 * outer, inner, true);
                (LinearWeight h3, LinearWeight d3) = Weight(w, inner, inner, false);
                void Sequence(ITensorOps ops, Func<Twin, Tensor> side, LinearWeight a, LinearWeight b, LinearWeight c)
                {
                    ops.Linear(side(x), a, side(branch));
                    ops.AddRmsNorm(side(branch), side(residual), side(weight), 1e-5f, 0, side(branch));
                    ops.Linear(side(branch), b, side(gateUp));
                    ops.GatedActivation(Activation.Silu, side(gateUp), side(y));
                    ops.RmsNorm(side(residual), side(weight), 1e-5f, 1, side(branch));
                    ops.Linear(side(branch), c, side(qkv));
                    ops.Add(side(branch), 1, side(qkv));
                }

                Sequence(w.Reference, t => t.Host, h1, h2, h3);
                Sequence(w.Cuda.Ops, t => t.Device, d1, d2, d3);
                return new[] { w.Difference(y), w.Difference(residual), w.Difference(qkv), w.Difference(branch) }.Max();
            }, SeveralRoundings));
        }
    }

    private static void Attention(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        (int, int)[] decode = [(1, 1), (1, 17), (1, 300), (1, 64), (1, 129)];
        (int, int)[] mixed = [(1, 200), (130, 130), (1, 5), (70, 333), (2, 40), (5, 5), (300, 395)];
        foreach (int headDim in new[] { 16, 32, 64, 80, 96, 128, 256, 40, 24 })
        {
            foreach ((int kvHeads, int group) in new[] { (2, 1), (2, 4), (1, 12), (1, 20) })
            {
                foreach (int blockSize in new[] { 16, 48 })
                {
                    if (blockSize == 48 && group != 4)
                    {
                        continue;
                    }

                    foreach ((int, int)[] sequences in new[] { decode, mixed })
                    {
                        int window = group == 12 ? 50 : 0;
                        float cap = group == 4 && blockSize == 48 ? 20 : 0;
                        checks.Add(($"attention d{headDim} {kvHeads}x{group} block {blockSize} {(sequences == decode ? "decode" : "mixed")}",
                            w => AttentionCheck.Run(w, headDim, kvHeads, group, blockSize, window, cap, sequences), OneRounding));
                    }
                }
            }
        }
    }

    /// <summary>The same over caches of codes: heads of whole and half warps, split contexts, windows and caps.</summary>
    private static void QuantizedAttention(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        (int, int)[] decode = [(1, 1), (1, 17), (1, 700), (1, 64), (1, 129)];
        (int, int)[] mixed = [(1, 200), (130, 130), (1, 5), (70, 333), (2, 40), (5, 5)];
        foreach (DType type in new[] { DType.F8E4M3, DType.F8E5M2, DType.I8 })
        {
            foreach (int headDim in new[] { 16, 32, 64, 80, 96, 128, 256, 40 })
            {
                foreach ((int kvHeads, int group, int window, float cap) in new[] { (2, 1, 0, 0f), (2, 4, 0, 0f), (1, 12, 50, 0f), (2, 4, 0, 20f), (1, 20, 0, 0f) })
                {
                    foreach ((int, int)[] sequences in new[] { decode, mixed })
                    {
                        string shape = $"{kvHeads}x{group}{(cap > 0 ? " capped" : "")} {(sequences == decode ? "decode" : "mixed")}";
                        checks.Add(($"cache {type.DisplayName()} d{headDim} {shape}",
                            w => AttentionCheck.Run(w, headDim, kvHeads, group, cap > 0 ? 48 : 16, window, cap, sequences, type), 6e-3));
                    }
                }
            }
        }
    }

    private static void Experts(List<(string, Func<TwinWorld, double>, double)> checks)
    {
        foreach ((int tokens, int count, int topK, int inner, int outer) in new[] { (1, 8, 2, 512, 384), (37, 16, 4, 100, 60), (5, 128, 8, 64, 24) })
        {
            checks.Add(($"experts {tokens}x{count}, {topK} of them", w =>
            {
                Twin logits = w.Numbers(tokens, count, DType.F32);
                Twin ids = w.Integers(tokens, new int[tokens * topK]);
                Twin weights = w.Output(tokens, topK, DType.F32);
                Twin x = w.Numbers(tokens, inner);
                Twin each = w.Output(tokens * topK, outer);
                Twin y = w.Output(tokens, outer);
                (LinearWeight Host, LinearWeight Device)[] pairs = Enumerable.Range(0, count).Select(_ => Weight(w, outer, inner, true)).ToArray();
                ExpertWeights host = w.ReferenceBackend.CreateExperts(pairs.Select(p => p.Host).ToArray());
                ExpertWeights device = w.Cuda.CreateExperts(pairs.Select(p => p.Device).ToArray());
                void Run(ITensorOps ops, Func<Twin, Tensor> side, ExpertWeights experts)
                {
                    ops.RouteExperts(side(logits), normalise: topK != 4, side(ids), side(weights));
                    ops.LinearExperts(side(x), experts, side(ids), side(each));
                    ops.CombineExperts(side(each), side(weights), side(y));
                }

                Run(w.Reference, t => t.Host, host);
                Run(w.Cuda.Ops, t => t.Device, device);
                return Math.Max(w.Difference(y), w.Difference(weights));
            }, SeveralRoundings));
        }

        checks.Add(("lora", w =>
        {
            const int Slots = 3;
            const int Rank = 16;
            int[] parts = [256, 64, 64];
            Twin a = w.Numbers(Slots * parts.Length * Rank, 384, scale: 0.05);
            Twin b = w.Numbers(Slots * Rank, parts.Sum(), scale: 0.2);
            Twin ranks = w.Integers(Slots, Enumerable.Repeat(Rank, Slots * parts.Length).ToArray());
            Twin x = w.Numbers(7, 384);
            Twin y = w.Numbers(7, parts.Sum());
            Twin slots = w.Integers(2, -1, 0, 2, 1, -1, 0);
            Twin order = w.Integers(2, 6, 4, 0, 3);
            Twin starts = w.Integers(0, 2, 3, 5);
            void Run(ITensorOps ops, Func<Twin, Tensor> side)
            {
                var batch = new LoraBatch { Slots = side(slots), Order = side(order), Starts = side(starts) };
                ops.AddLora(side(x), new LoraWeight(side(a), side(b), ranks.Host, Rank, parts), batch, side(y));
            }

            Run(w.Reference, t => t.Host);
            Run(w.Cuda.Ops, t => t.Device);
            return w.Difference(y);
        }, OneRounding));
    }

    internal static (LinearWeight Host, LinearWeight Device) Weight(TwinWorld world, int outFeatures, int inFeatures, bool bias)
    {
        Tensor first = world.Numbers(outFeatures / 2, inFeatures, scale: 1 / Math.Sqrt(inFeatures)).Host;
        Tensor second = world.Numbers(outFeatures - outFeatures / 2, inFeatures, scale: 1 / Math.Sqrt(inFeatures)).Host;
        HostMatrix[]? biases = bias ? [Matrix(world.Numbers(1, outFeatures, scale: 0.1).Host)] : null;
        var source = new LinearSource("weight", [new DensePart(Matrix(first)), new DensePart(Matrix(second))], biases);
        return (world.ReferenceBackend.CreateLinear(source), world.Cuda.CreateLinear(source));
    }

    internal static HostMatrix Matrix(Tensor tensor) => new(tensor.Data, tensor.Type, tensor.Rows, tensor.Columns);

    private static void Both(TwinWorld world, Action<ITensorOps, Func<Twin, Tensor>> operations)
    {
        operations(world.Reference, twin => twin.Host);
        operations(world.Cuda.Ops, twin => twin.Device);
    }
}
