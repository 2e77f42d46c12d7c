using Quire.Tensors;
using Quire.Tensors.Quantization;
using Quire.Tensors.Reference;

namespace Quire.Kernels.Tests;

/// <summary>Random quantised parts, packed element by element as the formats are described.</summary>
internal static unsafe class PackedParts
{
    /// <summary>Random integers of an order.</summary>
    public static PackedIntegers Integers(KernelWorld world, IntegerOrder order, int bits, int outputs, int columns, int added = 0)
    {
        var empty = new PackedIntegers(0, bits, order, outputs, columns, added);
        Tensor memory = world.Cpu.Allocate(DType.I32, 1, (int)(empty.SizeInBytes + 3) / 4);
        for (int output = 0; output < outputs; output++)
        {
            for (int column = 0; column < columns; column++)
            {
                Write(memory.Data, order, bits, outputs, columns, output, column, world.Random.Next(1 << bits));
            }
        }

        return empty with { Words = memory.Data };
    }

    /// <summary>A part with random integers, scales and zero points.</summary>
    public static GroupAffinePart Affine(
        KernelWorld world,
        int outputs,
        int inputs,
        int bits,
        int groupSize,
        IntegerOrder order = IntegerOrder.RowsOfColumns,
        DType scaleType = DType.F16,
        IntegerOrder? zeroOrder = null,
        bool shuffled = false,
        ActivationQuantization? activations = null)
    {
        int groups = (inputs + groupSize - 1) / groupSize;
        bool byGroup = order is IntegerOrder.ColumnsFirst or IntegerOrder.OutputsInterleaved;
        Tensor scales = world.Cpu.Allocate(scaleType, byGroup ? groups : outputs, byGroup ? outputs : groups);
        for (int row = 0; row < scales.Rows; row++)
        {
            for (int column = 0; column < scales.Columns; column++)
            {
                Elements.Store(scales, row, column, (float)(world.Random.NextDouble() + 0.1) / (1 << bits));
            }
        }

        int[]? groupOfInput = null;
        if (shuffled)
        {
            groupOfInput = new int[inputs];
            for (int i = 0; i < inputs; i++)
            {
                groupOfInput[i] = i / groupSize;
            }

            world.Random.Shuffle(groupOfInput);
        }

        return new GroupAffinePart(
            Integers(world, order, bits, outputs, inputs),
            KernelWorld.Matrix(scales),
            byGroup,
            zeroOrder is { } zeros ? Integers(world, zeros, bits, outputs, groups, added: world.Random.Next(2)) : null,
            groupSize,
            groupOfInput,
            activations);
    }

    /// <summary>A part with random FP8 numbers and scales.</summary>
    public static Float8Part Float8(
        KernelWorld world, int outputs, int inputs, int blockOutputs, int blockInputs, DType scaleType = DType.F32, ActivationQuantization? activations = null)
    {
        Tensor bytes = world.Cpu.Allocate(DType.U8, outputs, inputs);
        for (int output = 0; output < outputs; output++)
        {
            foreach (ref byte value in bytes.HostRow<byte>(output))
            {
                do
                {
                    value = (byte)world.Random.Next(256);
                }
                while ((value & 0x7F) == 0x7F);
            }
        }

        Tensor scales = world.Cpu.Allocate(scaleType, (outputs + blockOutputs - 1) / blockOutputs, (inputs + blockInputs - 1) / blockInputs);
        Fill(world, scales, 1.0 / 448);
        return new Float8Part(
            new HostMatrix(bytes.Data, DType.F8E4M3, outputs, inputs), KernelWorld.Matrix(scales), blockOutputs, blockInputs, activations);
    }

    /// <summary>A part with random tables.</summary>
    public static TablePart Table(KernelWorld world, int outputs, int inputs, DType type = DType.F16)
    {
        Tensor table = world.Cpu.Allocate(type, outputs, TablePart.Entries);
        Fill(world, table, 1);
        return new TablePart(Integers(world, IntegerOrder.ColumnsFirst, 4, outputs, inputs), KernelWorld.Matrix(table));
    }

    private static void Fill(KernelWorld world, Tensor tensor, double size)
    {
        for (int row = 0; row < tensor.Rows; row++)
        {
            for (int column = 0; column < tensor.Columns; column++)
            {
                Elements.Store(tensor, row, column, (float)(size * (2 * world.Random.NextDouble() - 1)));
            }
        }
    }

    /// <summary>Sets one element, by the words of the formats' descriptions rather than by the code under test.</summary>
    private static void Write(nint memory, IntegerOrder order, int bits, int outputs, int columns, int output, int column, int value)
    {
        if (order == IntegerOrder.Bytes)
        {
            ((byte*)memory)[output * columns + column] = (byte)value;
            return;
        }

        int perWord = 32 / bits;
        int wordsOfColumns = (columns + perWord - 1) / perWord;
        int wordsOfOutputs = (outputs + perWord - 1) / perWord;
        int[] nibbleOfOutput = [0, 4, 1, 5, 2, 6, 3, 7];
        (int word, int place) = order switch
        {
            IntegerOrder.RowsOfColumns => (output * wordsOfColumns + column / perWord, column % perWord),
            IntegerOrder.ColumnsFirst => (column / perWord * outputs + output, column % perWord),
            IntegerOrder.OutputsLast => (column * wordsOfOutputs + output / perWord, output % perWord),
            IntegerOrder.OutputsInterleaved => (column * wordsOfOutputs + output / 8, nibbleOfOutput[output % 8]),
            _ => (output / perWord * columns + column, output % perWord),
        };
        ((uint*)memory)[word] |= (uint)value << (place * bits);
    }
}
