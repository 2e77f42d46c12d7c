using System;
using System.Collections.Generic;
using System.Numerics;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>
/// Attention. Sequences with few queries go to the decode kernel, the others to the prefill kernel; in a mixed step both run, and each
/// leaves the other's sequences alone.
/// </content>
internal sealed partial class CudaOps
{
    private const int MaxColumns = 16;
    private DeviceScratch _partial;
    private DeviceScratch _arrivals;
    private DeviceScratch _progress;
    private readonly Dictionary<nint, (TensorMap Keys, TensorMap Values)> _maps = [];

    public void PagedAttention(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
    {
        int group = spec.Heads / spec.KvHeads;
        bool takesRope = TakesRope(q, cache, batch, spec);
        if (takesRope)
        {
            _hasRope = false;
        }

        Reads(q);
        Writes(y);
        if (spec.HeadDim % 16 != 0 || spec.HeadDim > 256 || q.Stride % 8 != 0 || q.Data % 16 != 0 || y.Stride % 2 != 0)
        {
            Generic(q, cache, batch, spec, y);
            return;
        }

        // As many queries of a sequence as the columns hold: one for large groups, two to eight where speculation asks for it.
        int columns = group <= 8 ? 8 : MaxColumns;
        int decodeQueries = group > MaxColumns ? 0 : columns / group;
        if (decodeQueries > 0)
        {
            Decode(q, cache, batch, spec, y, columns, decodeQueries, takesRope);
        }

        if (batch.MaxQueryLength <= decodeQueries)
        {
            return;
        }

        if (!cache.Shape.IsQuantized && y.Stride % 8 == 0 && y.Data % 16 == 0
            && HopperPrefillAttention.Supports(_device.ComputeMajor, spec.HeadDim, cache.Shape.BlockSize))
        {
            HopperPrefill(q, cache, batch, spec, y, decodeQueries + 1);
        }
        else
        {
            Prefill(q, cache, batch, spec, y, decodeQueries + 1);
        }
    }

    private void Decode(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y, int columns, int queries, bool takesRope)
    {
        CacheCodes codes = CacheCells.Of(cache.Shape.Type);
        int pairs = batch.Sequences * spec.KvHeads;
        int splits = DecodeAttention.Splits(pairs, batch.MaxContextLength, _device.MultiprocessorCount);
        int warps = DecodeAttention.Warps(pairs * splits, batch.MaxContextLength / splits, _device.MultiprocessorCount);

        // Where split contexts meet, and how many of them have come.
        nint partial = _partial.Reserve(_arena, (long)pairs * splits * columns * (spec.HeadDim + 2) * sizeof(float));
        nint arrivals = _arrivals.Reserve(_arena, (long)pairs * sizeof(int));
        var arguments = new DecodeArguments
        {
            Q = q.Data,
            Keys = cache.Keys,
            Values = cache.Values,
            Y = y.Data,
            QueryStarts = batch.QueryStarts.Data,
            ContextLengths = batch.ContextLengths.Data,
            BlockTables = batch.BlockTables.Data,
            Partial = partial,
            Arrivals = arrivals,
            KeyScales = cache.KeyScales,
            ValueScales = cache.ValueScales,
            BlockStride = cache.BlockStride,
            BlockTableStride = batch.BlockTables.Stride,
            BlockSize = cache.Shape.BlockSize,
            BlockShift = Shift(cache.Shape.BlockSize),
            KvHeads = spec.KvHeads,
            Group = spec.Heads / spec.KvHeads,
            MaxQueries = queries,
            QStride = q.Stride,
            YStride = y.Stride,
            SlidingWindow = spec.SlidingWindow,
            Scale = spec.Scale * cache.KeyScale,
            SoftCap = spec.LogitSoftCap,
            KeyScale = cache.KeyScale,
            ValueScale = cache.ValueScale,
        };
        if (takesRope)
        {
            arguments.NewKeys = _ropeK.Data;
            arguments.NewValues = _ropeV.Data;
            arguments.Positions = _ropePositions.Data;
            arguments.Cosines = _ropeTable.Cosines.Data;
            arguments.Sines = _ropeTable.Sines.Data;
            arguments.StoreKeys = cache.Keys;
            arguments.StoreValues = cache.Values;
            arguments.NewStride = _ropeK.Stride;
            arguments.TableStride = _ropeTable.Cosines.Stride;
        }

        var config = new LaunchConfig(splits, warps * 32)
        {
            GridY = spec.KvHeads,
            GridZ = batch.Sequences,
            SharedBytes = DecodeAttention.SharedBytes(spec.HeadDim, columns, warps, codes),
        };
        LaunchHeavy(_kernels.Decode(spec.HeadDim, columns, warps, codes), config, arguments);
    }

    /// <summary>
    /// Whether the decode kernel can rotate q, and rotate and store k and v, on its way: one query a sequence, whole heads rotated with the
    /// usual pairing.
    /// </summary>
    private bool TakesRope(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec) =>
        _hasRope && batch.MaxQueryLength == 1 && Same(q, _ropeQ) && cache.Keys == _ropeCache.Keys && spec.Heads / spec.KvHeads <= MaxColumns
        && spec.HeadDim % 32 == 0 && spec.HeadDim <= 256 && _ropeTable.RotaryDim == spec.HeadDim && !_ropeTable.Interleaved
        && _ropeTable.Cosines.Stride % 2 == 0 && _ropeK.Stride == _ropeV.Stride && q.Stride % 8 == 0 && q.Data % 16 == 0 && _ropeSlots.Columns == batch.Sequences;

    private void Prefill(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y, int minQueries)
    {
        CacheCodes codes = CacheCells.Of(cache.Shape.Type);
        int queriesPerBlock = PrefillAttention.Queries(spec.HeadDim);

        // Every sequence has at most one tile that is not full; blocks beyond the last tile end at once.
        int tiles = q.Rows / queriesPerBlock + Math.Min(batch.Sequences, q.Rows / minQueries);
        var arguments = new PrefillArguments
        {
            Q = q.Data,
            Keys = cache.Keys,
            Values = cache.Values,
            Y = y.Data,
            QueryStarts = batch.QueryStarts.Data,
            ContextLengths = batch.ContextLengths.Data,
            BlockTables = batch.BlockTables.Data,
            KeyScales = cache.KeyScales,
            ValueScales = cache.ValueScales,
            BlockStride = cache.BlockStride,
            BlockTableStride = batch.BlockTables.Stride,
            BlockSize = cache.Shape.BlockSize,
            BlockShift = Shift(cache.Shape.BlockSize),
            Sequences = batch.Sequences,
            Group = spec.Heads / spec.KvHeads,
            MinQueries = minQueries,
            QStride = q.Stride,
            YStride = y.Stride,
            SlidingWindow = spec.SlidingWindow,
            Scale = spec.Scale * cache.KeyScale,
            SoftCap = spec.LogitSoftCap,
            ValueScale = cache.ValueScale,
        };
        var config = new LaunchConfig(spec.Heads, PrefillAttention.Threads)
        {
            GridY = Math.Max(tiles, 1),
            SharedBytes = PrefillAttention.SharedBytes(spec.HeadDim, codes),
        };
        LaunchHeavy(_kernels.Prefill(spec.HeadDim, codes), config, arguments);
    }

    private void HopperPrefill(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y, int minQueries)
    {
        int tiles = Math.Max(q.Rows / HopperPrefillAttention.Queries + Math.Min(batch.Sequences, q.Rows / minQueries), 1);
        (TensorMap keys, TensorMap values) = MapsOf(cache);
        var arguments = new HopperPrefillArguments
        {
            Keys = keys,
            Values = values,
            Queries = MapOf(q, HopperPrefillAttention.Queries),
            Y = y.Data,
            QueryStarts = batch.QueryStarts.Data,
            ContextLengths = batch.ContextLengths.Data,
            BlockTables = batch.BlockTables.Data,
            Progress = _progress.Reserve(_arena, 2 * sizeof(int)),
            BlockTableStride = batch.BlockTables.Stride,
            BlockSize = cache.Shape.BlockSize,
            Heads = spec.Heads,
            KvHeads = spec.KvHeads,
            Sequences = batch.Sequences,
            Tiles = tiles,
            MinQueries = minQueries,
            YStride = y.Stride,
            SlidingWindow = spec.SlidingWindow,
            Scale = spec.Scale,
            SoftCap = spec.LogitSoftCap,
        };
        var config = new LaunchConfig(Math.Min(_device.MultiprocessorCount, tiles * spec.Heads), HopperPrefillAttention.Threads)
        {
            SharedBytes = HopperPrefillAttention.SharedBytes(spec.HeadDim),
        };
        LaunchHeavy(_kernels.HopperPrefill(spec.HeadDim, spec.LogitSoftCap > 0), config, arguments);
    }

    /// <summary>Rows of activations or weights, copied in boxes of 64 elements by that many rows.</summary>
    private static TensorMap MapOf(Tensor x, int boxRows) => TensorMaps.Rows16(x.Data, x.Type == DType.BF16, x.Columns, x.Rows, x.Stride, boxRows);

    /// <summary>The tensor maps of a layer's cache, made at its first use.</summary>
    private (TensorMap Keys, TensorMap Values) MapsOf(in KvCacheLayer cache)
    {
        if (!_maps.TryGetValue(cache.Keys, out (TensorMap, TensorMap) maps))
        {
            KvCacheShape shape = cache.Shape;
            long rows = (long)shape.Blocks * shape.KvHeads * shape.BlockSize;
            bool isBFloat16 = shape.Type == DType.BF16;
            maps = (
                TensorMaps.Rows16(cache.Keys, isBFloat16, shape.HeadDim, rows, shape.HeadDim, shape.BlockSize),
                TensorMaps.Rows16(cache.Values, isBFloat16, shape.HeadDim, rows, shape.HeadDim, shape.BlockSize));
            _maps.Add(cache.Keys, maps);
        }

        return maps;
    }

    private void Generic(Tensor q, in KvCacheLayer cache, in AttentionBatch batch, in AttentionSpec spec, Tensor y)
    {
        if (spec.HeadDim > 512)
        {
            throw new NotSupportedException($"the CUDA backend has no attention for heads of {spec.HeadDim} elements; the most is 512");
        }

        var arguments = new GenericAttentionArguments
        {
            Q = q.Data,
            Keys = cache.Keys,
            Values = cache.Values,
            Y = y.Data,
            QueryStarts = batch.QueryStarts.Data,
            ContextLengths = batch.ContextLengths.Data,
            BlockTables = batch.BlockTables.Data,
            KeyScales = cache.KeyScales,
            ValueScales = cache.ValueScales,
            BlockStride = cache.BlockStride,
            BlockTableStride = batch.BlockTables.Stride,
            BlockSize = cache.Shape.BlockSize,
            Sequences = batch.Sequences,
            Group = spec.Heads / spec.KvHeads,
            HeadDim = spec.HeadDim,
            QStride = q.Stride,
            YStride = y.Stride,
            SlidingWindow = spec.SlidingWindow,
            Scale = spec.Scale * cache.KeyScale,
            SoftCap = spec.LogitSoftCap,
            ValueScale = cache.ValueScale,
        };
        var config = new LaunchConfig(q.Rows, 32) { GridY = spec.Heads };
        LaunchHeavy(_kernels.GenericAttention(CacheCells.Of(cache.Shape.Type)), config, arguments);
    }

    private static int Shift(int blockSize) => BitOperations.IsPow2(blockSize) ? BitOperations.Log2((uint)blockSize) : -1;
}
