using System.Runtime.CompilerServices;
using Quire.Cpu.Simd;

namespace Quire.Cpu.Kernels;

/// <summary>y += scale · x.</summary>
internal struct AddKernel<TSimd, TVector> : IRowKernel<AddKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public FloatRows Y;
    public int Columns;
    public float Scale;

    public static unsafe void Apply(ref readonly AddKernel<TSimd, TVector> arguments, int row) =>
        AddRow(arguments.X[row], arguments.Scale, arguments.Y[row], arguments.Columns);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void AddRow(float* x, float scale, float* y, int columns)
    {
        TVector factor = TSimd.Create(scale);
        nint c = 0;
        for (; c <= columns - TSimd.Count; c += TSimd.Count)
        {
            TSimd.Store(y + c, TSimd.MultiplyAdd(factor, TSimd.Load(x + c), TSimd.Load(y + c)));
        }

        if (c < columns)
        {
            int rest = (int)(columns - c);
            TVector sum = TSimd.MultiplyAdd(
                factor,
                Partial.Load<TSimd, TVector, F32Element>((byte*)(x + c), rest),
                Partial.Load<TSimd, TVector, F32Element>((byte*)(y + c), rest));
            Partial.Store<TSimd, TVector, F32Element>((byte*)(y + c), sum, rest);
        }
    }
}

/// <summary>x = activation(x).</summary>
internal struct ActivateKernel<TSimd, TVector, TActivation> : IRowKernel<ActivateKernel<TSimd, TVector, TActivation>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TActivation : struct, IActivation
{
    public FloatRows X;
    public int Columns;

    public static unsafe void Apply(ref readonly ActivateKernel<TSimd, TVector, TActivation> arguments, int row) =>
        ActivateRow(arguments.X[row], arguments.Columns);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void ActivateRow(float* x, int columns)
    {
        nint c = 0;
        for (; c <= columns - TSimd.Count; c += TSimd.Count)
        {
            TSimd.Store(x + c, TActivation.Apply<TSimd, TVector>(TSimd.Load(x + c)));
        }

        if (c < columns)
        {
            int rest = (int)(columns - c);
            TVector value = Partial.Load<TSimd, TVector, F32Element>((byte*)(x + c), rest);
            Partial.Store<TSimd, TVector, F32Element>((byte*)(x + c), TActivation.Apply<TSimd, TVector>(value), rest);
        }
    }
}

/// <summary>y = activation(gate) · up.</summary>
internal struct GatedKernel<TSimd, TVector, TActivation> : IRowKernel<GatedKernel<TSimd, TVector, TActivation>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TActivation : struct, IActivation
{
    public FloatRows GateUp;
    public FloatRows Y;
    public int Inner;

    public static unsafe void Apply(ref readonly GatedKernel<TSimd, TVector, TActivation> arguments, int row) =>
        GateRow(arguments.GateUp[row], arguments.Y[row], arguments.Inner);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void GateRow(float* gate, float* y, int inner)
    {
        float* up = gate + inner;
        nint c = 0;
        for (; c <= inner - TSimd.Count; c += TSimd.Count)
        {
            TSimd.Store(y + c, TSimd.Multiply(TActivation.Apply<TSimd, TVector>(TSimd.Load(gate + c)), TSimd.Load(up + c)));
        }

        if (c < inner)
        {
            int rest = (int)(inner - c);
            TVector value = TActivation.Apply<TSimd, TVector>(Partial.Load<TSimd, TVector, F32Element>((byte*)(gate + c), rest));
            value = TSimd.Multiply(value, Partial.Load<TSimd, TVector, F32Element>((byte*)(up + c), rest));
            Partial.Store<TSimd, TVector, F32Element>((byte*)(y + c), value, rest);
        }
    }
}

/// <summary>x = cap · tanh(x / cap).</summary>
internal struct SoftCapKernel<TSimd, TVector> : IRowKernel<SoftCapKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public int Columns;
    public float Cap;

    public static unsafe void Apply(ref readonly SoftCapKernel<TSimd, TVector> arguments, int row) =>
        CapRow(arguments.X[row], arguments.Columns, arguments.Cap);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Limit(TVector x, TVector cap, TVector inverse) =>
        TSimd.Multiply(cap, VectorMath<TSimd, TVector>.Tanh(TSimd.Multiply(x, inverse)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void CapRow(float* x, int columns, float limit)
    {
        TVector cap = TSimd.Create(limit);
        TVector inverse = TSimd.Create(1f / limit);
        nint c = 0;
        for (; c <= columns - TSimd.Count; c += TSimd.Count)
        {
            TSimd.Store(x + c, Limit(TSimd.Load(x + c), cap, inverse));
        }

        if (c < columns)
        {
            int rest = (int)(columns - c);
            TVector value = Limit(Partial.Load<TSimd, TVector, F32Element>((byte*)(x + c), rest), cap, inverse);
            Partial.Store<TSimd, TVector, F32Element>((byte*)(x + c), value, rest);
        }
    }
}

/// <summary>x = scale · x.</summary>
internal struct ScaleKernel<TSimd, TVector> : IRowKernel<ScaleKernel<TSimd, TVector>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public FloatRows X;
    public int Columns;
    public float Scale;

    public static unsafe void Apply(ref readonly ScaleKernel<TSimd, TVector> arguments, int row)
    {
        float* x = arguments.X[row];
        RowConversion<TSimd, TVector, F32Element>.ExpandScaled((byte*)x, arguments.Scale, x, arguments.Columns);
    }
}

/// <summary>y = scale · table[id].</summary>
internal unsafe struct EmbedKernel<TSimd, TVector, TElement> : IRowKernel<EmbedKernel<TSimd, TVector, TElement>>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TElement : struct, IElement
{
    public int* Ids;
    public byte* Table;
    public nint TableStride;
    public FloatRows Y;
    public int Columns;
    public float Scale;

    public static void Apply(ref readonly EmbedKernel<TSimd, TVector, TElement> arguments, int row)
    {
        byte* source = arguments.Table + arguments.Ids[row] * arguments.TableStride * TElement.Size;
        RowConversion<TSimd, TVector, TElement>.ExpandScaled(source, arguments.Scale, arguments.Y[row], arguments.Columns);
    }
}
