using System;
using System.Linq;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public class AloneCollection;

/// <summary>Runs while no other test does, since it counts what the whole process allocates.</summary>
[Collection(nameof(AloneCollection))]
public class AllocationTests
{
    [Fact]
    public void Operations_allocate_nothing_once_their_shapes_were_seen()
    {
        using var world = new KernelWorld(threads: 3);
        ITensorOps ops = world.Cpu.Ops;
        var spec = new AttentionSpec(8, 2, 64, 0.1f);
        var attention = new AttentionWorld(world, spec, 16, DType.BF16, (1, 1500), (30, 60));
        var decode = new AttentionWorld(world, spec, 16, DType.BF16, (1, 1500));
        AttentionBatch batch = attention.Batch();
        AttentionBatch decodeBatch = decode.Batch();
        LinearWeight linear = world.Cpu.CreateLinear(world.Numbers(256, 512, type: DType.BF16));
        LinearWeight packed = world.Cpu.CreateLinear(new LinearSource("packed", [BlockLinearTests.Part(world, BlockFormat.Q6K, 256, 512)]));
        Tensor x = world.Numbers(31, 512);
        Tensor y = world.Numbers(31, 256);
        Tensor z = world.Numbers(31, 512);
        LoraWeight lora = LoraTests.RandomWeight(world, DType.F32, 2, 8, 512, [200, 56]);
        LoraBatch loraBatch = LoraTests.Batch(world, 2, [.. Enumerable.Range(0, 31).Select(row => row % 3 - 1)]);
        Tensor weight = world.Numbers(1, 512, type: DType.BF16);
        Tensor table = world.Numbers(40, 512, type: DType.F16);
        Tensor integers = world.Integers(new int[31]);
        Tensor angles = world.Numbers(4, 32);
        var rope = new RopeTable(angles, angles, 64);
        KvCache cache = world.Cpu.CreateKvCache(new KvCacheShape(1, 2, 64, 16, 4, DType.F16));
        Tensor pairs = world.IntegerRows(2, [[1, 2]]);
        ExpertWeights experts = world.Cpu.CreateExperts([linear, linear, linear]);
        Tensor ids = ExpertOpsTests.RandomIds(world, 15, 2, 3);
        Tensor routed = world.Numbers(15, 2);

        void RunAll()
        {
            ops.Embed(integers, table, 1, x);
            ops.RmsNorm(x, weight, 1e-5f, 0, z);
            ops.AddRmsNorm(x, z, weight, 1e-5f, 0, x);
            ops.LayerNorm(x, weight, weight, 1e-5f, z);
            ops.Linear(x, linear, y);
            ops.Linear(x, packed, y);
            ops.Embed(integers, packed, 2, x);
            ops.Linear(x.Take(8), linear, y.Take(8));
            ops.Linear(x.Take(1), linear, y.Take(1));
            ops.AddLora(x, lora, loraBatch, y);
            ops.Add(x, 0.5f, z);
            ops.GatedActivation(Activation.Silu, x, y);
            ops.Activate(Activation.GeluErf, y);
            ops.RopeAndStoreKv(x, y.ColumnRange(0, 128), y.ColumnRange(128, 128), integers, rope, integers, cache.Layers[0]);
            ops.Rope(x, integers, rope, 64);
            ops.PagedAttention(x, attention.Cache, batch, spec, z);
            ops.PagedAttention(x.Take(1), decode.Cache, decodeBatch, spec, z.Take(1));
            ops.GatherRows(x, integers, z);
            ops.SoftCap(y, 30);
            ops.Scale(y, 0.5f);
            ops.CopyBlocks(cache, pairs);
            ops.RouteExperts(x.Take(15).ColumnRange(0, 3), true, ids, routed);
            ops.LinearExperts(x.Take(15), experts, ids, y.Take(30));
            ops.CombineExperts(y.Take(30), routed, x.Take(15).ColumnRange(0, 256));
        }

        for (int i = 0; i < 3; i++)
        {
            RunAll();
        }

        // The runtime itself allocates now and then, so the least of several attempts counts for the process as a whole.
        long leastOfProcess = long.MaxValue;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            long thread = GC.GetAllocatedBytesForCurrentThread();
            long process = GC.GetTotalAllocatedBytes(precise: true);
            RunAll();
            leastOfProcess = Math.Min(leastOfProcess, GC.GetTotalAllocatedBytes(precise: true) - process);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - thread);
        }

        Assert.Equal(0, leastOfProcess);
    }
}
