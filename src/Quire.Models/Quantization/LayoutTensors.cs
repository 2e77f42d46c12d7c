using System;
using System.Globalization;
using System.Runtime.InteropServices;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Quantization;

/// <summary>The tensors of one linear layer, by the ends of their names, with checks of what they hold.</summary>
/// <param name="Module">Name of the layer in the checkpoint.</param>
/// <param name="Find">Finds a tensor by its full name.</param>
/// <param name="Scratch">Memory that lives until the backend has taken the part.</param>
internal sealed record LayoutTensors(string Module, Func<string, WeightTensor?> Find, HostMemory Scratch)
{
    /// <summary>Bytes of the tensors that were asked for.</summary>
    public long BytesRead { get; private set; }

    /// <summary>A tensor that is there.</summary>
    public WeightTensor this[string ending] =>
        Optional(ending) ?? throw new CheckpointException(CheckpointProblem.WeightMismatch, $"{Module}.{ending} is missing");

    /// <summary>A tensor, or null.</summary>
    public WeightTensor? Optional(string ending)
    {
        WeightTensor? tensor = Find($"{Module}.{ending}");
        BytesRead += tensor?.SizeInBytes ?? 0;
        return tensor;
    }

    /// <summary>A matrix of scales, all of which are numbers.</summary>
    public HostMatrix Scales(string ending, int rows, int columns)
    {
        WeightTensor tensor = this[ending];
        var matrix = new HostMatrix(tensor.Data, tensor.Type!.Value, rows, columns);
        for (long i = 0; i < (long)rows * columns; i++)
        {
            float scale = Elements.Load(matrix.Data, matrix.Type, i);
            if (!float.IsFinite(scale))
            {
                throw Invalid(ending, string.Create(CultureInfo.InvariantCulture, $"holds {scale} at {i}; scales must be finite numbers"));
            }
        }

        return matrix;
    }

    /// <summary>A single scale, greater than 0.</summary>
    public float Scale(string ending)
    {
        WeightTensor tensor = this[ending];
        float scale = Elements.Load(tensor.Data, tensor.Type!.Value, 0);
        return float.IsFinite(scale) && scale > 0
            ? scale
            : throw Invalid(ending, string.Create(CultureInfo.InvariantCulture, $"is {scale}; it must be a number greater than 0"));
    }

    /// <summary>FP8 weights, all of which are numbers.</summary>
    public unsafe HostMatrix Float8(string ending, int rows, int columns)
    {
        WeightTensor tensor = this[ending];
        for (int row = 0; row < rows; row++)
        {
            int column = new ReadOnlySpan<byte>((byte*)tensor.Data + (long)row * columns, columns).IndexOfAny((byte)0x7F, (byte)0xFF);
            if (column >= 0)
            {
                throw Invalid(ending, $"holds NaN at [{row}, {column}]; the file is damaged");
            }
        }

        return new HostMatrix(tensor.Data, DType.F8E4M3, rows, columns);
    }

    /// <summary>The group of every input, each of which exists; null where the tensor is absent or says what is the case anyway.</summary>
    public unsafe int[]? GroupOfInput(string ending, int inputs, int groups, int groupSize)
    {
        if (Optional(ending) is not { } tensor)
        {
            return null;
        }

        ReadOnlySpan<int> values = MemoryMarshal.Cast<byte, int>(new ReadOnlySpan<byte>((void*)tensor.Data, checked(inputs * sizeof(int))));
        bool natural = true;
        for (int i = 0; i < inputs; i++)
        {
            if ((uint)values[i] >= (uint)groups)
            {
                throw Invalid(ending, $"holds {values[i]} at {i}, but there are {groups} groups, numbered from 0");
            }

            natural &= values[i] == i / groupSize;
        }

        return natural ? null : values.ToArray();
    }

    /// <summary>An error about what a tensor holds.</summary>
    public CheckpointException Invalid(string ending, string message) =>
        new(CheckpointProblem.WeightMismatch, $"{Module}.{ending} {message}");
}
