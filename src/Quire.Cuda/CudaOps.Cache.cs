using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>Rotation, and what writes to the KV cache.</content>
internal sealed partial class CudaOps
{
    /// <summary>Elements of a head that a warp of cache_store.cu holds.</summary>
    private const int MaxCodedHead = 512;

    /// <summary>Room for copies of so many blocks is taken at once.</summary>
    private const int LeastPairs = 1024;

    // A rotation with its cache write that was called and not launched: the attention behind it may take it up.
    private bool _hasRope;
    private Tensor _ropeQ;
    private Tensor _ropeK;
    private Tensor _ropeV;
    private Tensor _ropePositions;
    private RopeTable _ropeTable;
    private Tensor _ropeSlots;
    private KvCacheLayer _ropeCache;
    private DeviceScratch _pairs;

    public void Rope(Tensor x, Tensor positions, in RopeTable table, int headDim)
    {
        Reads(x);
        Writes(x);
        RotateAndStore(x, default, default, positions, table, default, default, headDim);
    }

    public void StoreKv(Tensor k, Tensor v, Tensor slots, in KvCacheLayer cache)
    {
        Reads(k);
        Reads(v);
        RotateAndStore(default, k, v, default, default, slots, cache, cache.Shape.HeadDim);
    }

    public void RopeAndStoreKv(Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
    {
        Reads(q);
        Reads(k);
        Reads(v);
        Writes(q);
        _hasRope = true;
        _ropeQ = q;
        _ropeK = k;
        _ropeV = v;
        _ropePositions = positions;
        _ropeTable = table;
        _ropeSlots = slots;
        _ropeCache = cache;
        if (!_fuse)
        {
            LaunchRope();
        }
    }

    private void LaunchRope()
    {
        if (_hasRope)
        {
            _hasRope = false;
            RotateAndStore(_ropeQ, _ropeK, _ropeV, _ropePositions, _ropeTable, _ropeSlots, _ropeCache, _ropeCache.Shape.HeadDim);
        }
    }

    public void CopyBlocks(KvCache cache, Tensor pairs)
    {
        Flush();

        // The pairs are in host memory that the caller may reuse: an unpinned source is read before the copy returns.
        nint device = _pairs.Reserve(_arena, System.Math.Max(pairs.Rows, LeastPairs) * 2L * sizeof(int));
        _stream.CopyToDevice(device, pairs.Data, (long)pairs.Rows * 2 * sizeof(int));
        foreach (KvCacheLayer layer in cache.Layers)
        {
            CopySides(layer.Keys, layer.Values, layer.BlockStride * layer.Shape.Type.SizeInBytes(), device, pairs.Rows);
            if (layer.Shape.HasScales)
            {
                CopySides(layer.KeyScales, layer.ValueScales, layer.ScaleBlockStride * sizeof(float), device, pairs.Rows);
            }
        }
    }

    /// <summary>Copies blocks of that many bytes, a multiple of 16, of the keys and of the values.</summary>
    private void CopySides(nint keys, nint values, long bytes, nint pairs, int count)
    {
        var arguments = new CopyBlockArguments { Keys = keys, Values = values, Pairs = pairs, VectorsPerBlock = checked((int)(bytes / 16)) };
        Launch(_kernels.Elementwise("copy_blocks"), new LaunchConfig(count, Threads) { GridY = 2 }, arguments);
    }

    private void RotateAndStore(Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache, int headDim)
    {
        bool stores = !v.IsNone;
        if (stores && cache.Shape.IsQuantized)
        {
            StoreCodes(q, k, v, positions, table, slots, cache);
            return;
        }

        int rows = q.IsNone ? k.Rows : q.Rows;
        var arguments = new RopeStoreArguments
        {
            Q = q.Data,
            K = k.Data,
            V = v.Data,
            Positions = positions.Data,
            Slots = slots.Data,
            Cosines = table.Cosines.Data,
            Sines = table.Sines.Data,
            Keys = cache.Keys,
            Values = cache.Values,
            BlockStride = stores ? cache.BlockStride : 0,
            QueryHeads = q.IsNone ? 0 : q.Columns / headDim,
            KvHeads = k.IsNone ? 0 : k.Columns / headDim,
            HeadDim = headDim,
            RotaryDim = table.RotaryDim,
            Interleaved = table.Interleaved ? 1 : 0,
            BlockSize = stores ? cache.Shape.BlockSize : 1,
            QStride = q.Stride,
            KStride = k.Stride,
            VStride = v.Stride,
            TableStride = table.Cosines.Stride,
        };
        Launch(_kernels.Elementwise("rope_store"), rows, Threads, arguments);
    }

    private void StoreCodes(Tensor q, Tensor k, Tensor v, Tensor positions, in RopeTable table, Tensor slots, in KvCacheLayer cache)
    {
        int headDim = cache.Shape.HeadDim;
        if (headDim > MaxCodedHead)
        {
            throw new System.NotSupportedException($"the CUDA backend has no quantised KV cache for heads of {headDim} elements; the most is {MaxCodedHead}");
        }

        var arguments = new StoreCodesArguments
        {
            Q = q.Data,
            K = k.Data,
            V = v.Data,
            Positions = positions.Data,
            Slots = slots.Data,
            Cosines = table.Cosines.Data,
            Sines = table.Sines.Data,
            Keys = cache.Keys,
            Values = cache.Values,
            KeyScales = cache.KeyScales,
            ValueScales = cache.ValueScales,
            QueryHeads = q.IsNone ? 0 : q.Columns / headDim,
            KvHeads = cache.Shape.KvHeads,
            HeadDim = headDim,
            RotaryDim = table.RotaryDim,
            Interleaved = table.Interleaved ? 1 : 0,
            BlockSize = cache.Shape.BlockSize,
            QStride = q.Stride,
            KStride = k.Stride,
            VStride = v.Stride,
            TableStride = table.Cosines.Stride,
            KeyScale = cache.KeyScale,
            ValueScale = cache.ValueScale,
        };
        Launch(_kernels.StoreCodes(CacheCells.Of(cache.Shape.Type)), k.Rows, Threads, arguments);
    }
}
