using System;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Cpu.Kernels.Packed;

/// <summary>An <see cref="ActivationQuantization"/> as a kernel's argument. The default value rounds nothing.</summary>
internal readonly unsafe struct RowQuantizer
{
    private readonly Kind _kind;
    private readonly float _scale;
    private readonly int _zeroPoint;
    private readonly int _group;

    private RowQuantizer(Kind kind, ActivationQuantization activations)
    {
        _kind = kind;
        _scale = activations.Scale ?? 0;
        _zeroPoint = activations.ZeroPoint;
        _group = activations.GroupColumns;
    }

    private enum Kind : byte
    {
        None,
        StaticInt8,
        DynamicInt8,
        DynamicAsymmetricInt8,
        StaticFloat8,
        DynamicFloat8,
    }

    /// <summary>True when rows change.</summary>
    public bool Rounds => _kind != Kind.None;

    public static RowQuantizer From(ActivationQuantization? activations) => activations switch
    {
        null => default,
        { Format: ActivationFormat.Float8, Scale: null } => new RowQuantizer(Kind.DynamicFloat8, activations),
        { Format: ActivationFormat.Float8 } => new RowQuantizer(Kind.StaticFloat8, activations),
        { Scale: not null } => new RowQuantizer(Kind.StaticInt8, activations),
        { Symmetric: true } => new RowQuantizer(Kind.DynamicInt8, activations),
        _ => new RowQuantizer(Kind.DynamicAsymmetricInt8, activations),
    };

    /// <summary>Replaces a row by what its rounded form stands for.</summary>
    public void Round(float* row, int count)
    {
        if (_kind == Kind.None)
        {
            return;
        }

        int group = _group > 0 ? _group : count;
        for (int start = 0; start < count; start += group)
        {
            RoundGroup(row + start, Math.Min(group, count - start));
        }
    }

    private void RoundGroup(float* row, int count)
    {
        float scale = _scale;
        int zero = _zeroPoint;
        if (_kind is Kind.DynamicInt8 or Kind.DynamicAsymmetricInt8 or Kind.DynamicFloat8)
        {
            (scale, zero) = Dynamic(row, count);
        }

        if (scale == 0)
        {
            new Span<float>(row, count).Clear();
            return;
        }

        if (_kind is Kind.StaticFloat8 or Kind.DynamicFloat8)
        {
            for (int i = 0; i < count; i++)
            {
                row[i] = FloatConversions.RoundToFloat8E4M3(row[i] / scale) * scale;
            }

            return;
        }

        for (int i = 0; i < count; i++)
        {
            row[i] = (Math.Clamp(MathF.Round(row[i] / scale) + zero, -128, 127) - zero) * scale;
        }
    }

    private (float Scale, int Zero) Dynamic(float* row, int count)
    {
        float least = 0;
        float greatest = 0;
        for (int i = 0; i < count; i++)
        {
            least = row[i] < least ? row[i] : least;
            greatest = row[i] > greatest ? row[i] : greatest;
        }

        float size = Math.Max(greatest, -least);
        switch (_kind)
        {
            case Kind.DynamicFloat8:
                return (Math.Max(size / 448, ActivationQuantization.LeastFloat8Scale), 0);
            case Kind.DynamicInt8:
                return (size / 127, 0);
            default:
                float scale = (greatest - least) / 255;
                return (scale, scale == 0 ? 0 : (int)Math.Clamp(MathF.Round(-128 - least / scale), -128, 127));
        }
    }
}
