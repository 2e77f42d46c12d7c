using System.Runtime.InteropServices;
using Quire.Cuda.Interop;

namespace Quire.Cuda;

// The parameter of each kernel, field for field as Kernels/*.cu declares it. CudaKernel compares the sizes at every launch.

[StructLayout(LayoutKind.Sequential)]
internal struct EmbedArguments
{
    public nint Ids;
    public nint Table;
    public nint Y;
    public int Columns;
    public int TableStride;
    public int YStride;
    public int TableRows;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct NormArguments
{
    public nint X;
    public nint Residual;
    public nint Weight;
    public nint Bias;
    public nint Y;
    public int Columns;
    public int Groups;
    public int XStride;
    public int ResidualStride;
    public int YStride;
    public float Epsilon;
    public float WeightOffset;
}

[StructLayout(LayoutKind.Sequential)]
internal struct MapArguments
{
    public nint X;
    public nint Y;
    public int Columns;
    public int XStride;
    public int YStride;
    public int Activation;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct LogitArguments
{
    public nint X;
    public nint Bias;
    public int Columns;
    public int Stride;
    public float Cap;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ConvertArguments
{
    public nint X;
    public nint Y;
    public long Count;
    public int From;
    public int To;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SkinnyArguments
{
    public nint X;
    public nint W;
    public nint Y;
    public nint Bias;
    public nint NormWeight;
    public nint Scales;
    public nint Zeros;
    public int M;
    public int N;
    public int K;
    public int XStride;
    public int WStride;
    public int YStride;
    public int UpOffset;
    public int Activation;
    public int Accumulate;
    public int FloatOutput;
    public float Epsilon;
    public int NormAddsOne;
    public int GroupSize;
    public int Groups;
}

[StructLayout(LayoutKind.Sequential)]
internal struct QuantizeArguments
{
    public nint X;
    public nint Weight;
    public nint Y;
    public nint Scales;
    public int Columns;
    public int XStride;
    public int Activation;
    public float Epsilon;
    public float WeightOffset;
    public float InputScale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ExpandArguments
{
    public nint W;
    public nint Y;
    public nint Scales;
    public nint Zeros;
    public int Columns;
    public int WStride;
    public int GroupSize;
    public int Groups;
}

[StructLayout(LayoutKind.Sequential)]
internal struct GreedyArguments
{
    public nint Logits;
    public nint Tokens;
    public nint Best;
    public nint Arrivals;
    public int Columns;
    public int Stride;
}

[StructLayout(LayoutKind.Sequential, Size = 320)]
internal struct GatedGemmArguments
{
    public TensorMap X;
    public TensorMap W;
    public nint Y;
    public int Rows;
    public int Outputs;
    public int Depth;
    public int YStride;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SampleArguments
{
    public nint Logits;
    public nint Rows;
    public nint Tokens;
    public int Columns;
    public int Stride;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ResolveArguments
{
    public nint Ids;
    public nint Tokens;
    public int Count;
}

[StructLayout(LayoutKind.Sequential)]
internal struct RouteArguments
{
    public nint Logits;
    public nint Ids;
    public nint Weights;
    public int Experts;
    public int TopK;
    public int Stride;
    public int Normalise;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ExpertLinearArguments
{
    public nint X;
    public nint Experts;
    public nint Ids;
    public nint Y;
    public int InFeatures;
    public int OutFeatures;
    public int XStride;
    public int YStride;
    public int RowsPerX;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CombineArguments
{
    public nint X;
    public nint Weights;
    public nint Y;
    public int Columns;
    public int TopK;
    public int XStride;
    public int YStride;
}

[StructLayout(LayoutKind.Sequential)]
internal struct LoraArguments
{
    public nint X;
    public nint Y;
    public nint FactorsA;
    public nint FactorsB;
    public nint Slots;
    public nint Order;
    public int InFeatures;
    public int OutFeatures;
    public int Rank;
    public int Parts;
    public int PartEnd0;
    public int PartEnd1;
    public int PartEnd2;
    public int XStride;
    public int YStride;
}
