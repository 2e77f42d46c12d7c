using System.Runtime.InteropServices;
using Quire.Cuda.Interop;

namespace Quire.Cuda;

// The parameters of kernels that rotate, write to the KV cache and read from it; see KernelArguments.cs.

[StructLayout(LayoutKind.Sequential)]
internal struct RopeStoreArguments
{
    public nint Q;
    public nint K;
    public nint V;
    public nint Positions;
    public nint Slots;
    public nint Cosines;
    public nint Sines;
    public nint Keys;
    public nint Values;
    public long BlockStride;
    public int QueryHeads;
    public int KvHeads;
    public int HeadDim;
    public int RotaryDim;
    public int Interleaved;
    public int BlockSize;
    public int QStride;
    public int KStride;
    public int VStride;
    public int TableStride;
}

[StructLayout(LayoutKind.Sequential)]
internal struct StoreCodesArguments
{
    public nint Q;
    public nint K;
    public nint V;
    public nint Positions;
    public nint Slots;
    public nint Cosines;
    public nint Sines;
    public nint Keys;
    public nint Values;
    public nint KeyScales;
    public nint ValueScales;
    public int QueryHeads;
    public int KvHeads;
    public int HeadDim;
    public int RotaryDim;
    public int Interleaved;
    public int BlockSize;
    public int QStride;
    public int KStride;
    public int VStride;
    public int TableStride;
    public float KeyScale;
    public float ValueScale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CopyBlockArguments
{
    public nint Keys;
    public nint Values;
    public nint Pairs;
    public int VectorsPerBlock;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DecodeArguments
{
    public nint Q;
    public nint Keys;
    public nint Values;
    public nint Y;
    public nint QueryStarts;
    public nint ContextLengths;
    public nint BlockTables;
    public nint Partial;
    public nint Arrivals;
    public nint NewKeys;
    public nint NewValues;
    public nint Positions;
    public nint Cosines;
    public nint Sines;
    public nint StoreKeys;
    public nint StoreValues;
    public nint KeyScales;
    public nint ValueScales;
    public long BlockStride;
    public int BlockTableStride;
    public int BlockSize;
    public int BlockShift;
    public int KvHeads;
    public int Group;
    public int MaxQueries;
    public int QStride;
    public int YStride;
    public int SlidingWindow;
    public float Scale;
    public float SoftCap;
    public int NewStride;
    public int TableStride;
    public float KeyScale;
    public float ValueScale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct PrefillArguments
{
    public nint Q;
    public nint Keys;
    public nint Values;
    public nint Y;
    public nint QueryStarts;
    public nint ContextLengths;
    public nint BlockTables;
    public nint KeyScales;
    public nint ValueScales;
    public long BlockStride;
    public int BlockTableStride;
    public int BlockSize;
    public int BlockShift;
    public int Sequences;
    public int Group;
    public int MinQueries;
    public int QStride;
    public int YStride;
    public int SlidingWindow;
    public float Scale;
    public float SoftCap;
    public float ValueScale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct GenericAttentionArguments
{
    public nint Q;
    public nint Keys;
    public nint Values;
    public nint Y;
    public nint QueryStarts;
    public nint ContextLengths;
    public nint BlockTables;
    public nint KeyScales;
    public nint ValueScales;
    public long BlockStride;
    public int BlockTableStride;
    public int BlockSize;
    public int Sequences;
    public int Group;
    public int HeadDim;
    public int QStride;
    public int YStride;
    public int SlidingWindow;
    public float Scale;
    public float SoftCap;
    public float ValueScale;
}

[StructLayout(LayoutKind.Sequential, Size = 512)]
internal struct HopperPrefillArguments
{
    public TensorMap Keys;
    public TensorMap Values;
    public TensorMap Queries;
    public nint Y;
    public nint QueryStarts;
    public nint ContextLengths;
    public nint BlockTables;
    public nint Progress;
    public int BlockTableStride;
    public int BlockSize;
    public int Heads;
    public int KvHeads;
    public int Sequences;
    public int Tiles;
    public int MinQueries;
    public int YStride;
    public int SlidingWindow;
    public float Scale;
    public float SoftCap;
}
