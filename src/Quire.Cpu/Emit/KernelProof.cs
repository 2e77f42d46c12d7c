using System;
using System.Runtime.CompilerServices;
using Quire.Cpu.Kernels.Panels;
using Quire.Tensors;

namespace Quire.Cpu.Emit;

/// <summary>
/// A small product of an assembled kernel, of whole numbers whose sums are exact, beside the same in plain code. Processors that claim
/// instructions which their hypervisor does not carry out, or a mistake that only some of them show, are found before a weight is packed.
/// </summary>
internal static unsafe class KernelProof
{
    private const int Groups = 2;
    private const int GroupsOfX = 3;
    private const int Blocks = 2;
    private const float XScale = 0.5f;
    private const ushort One = 0x3C00;

    /// <summary>True when a kernel of <see cref="PanelAssembler"/> gives every sum that it should.</summary>
    /// <param name="kernel">Its address.</param>
    /// <param name="format">The weights.</param>
    /// <param name="form">The rows of x.</param>
    /// <param name="rows">Rows of a block.</param>
    [SkipLocalsInit]
    public static bool Holds(nint kernel, PanelFormat format, PanelInputForm form, int rows)
    {
        const int MostRows = 8;
        byte* values = stackalloc byte[Groups * PanelLayout.PanelOutputs * PanelLayout.GroupInputs * 2];
        byte* x = stackalloc byte[Blocks * GroupsOfX * PanelLayout.GroupInputs * MostRows * sizeof(float)];
        ushort* scales = stackalloc ushort[Groups * PanelLayout.PanelOutputs];
        float* xScales = stackalloc float[Blocks * GroupsOfX * MostRows];
        int* offsets = stackalloc int[Blocks * GroupsOfX * MostRows];
        float* sums = stackalloc float[Blocks * MostRows * PanelLayout.PanelOutputs];
        Fill(format, form, rows, values, x);
        new Span<ushort>(scales, Groups * PanelLayout.PanelOutputs).Fill(One);
        new Span<float>(xScales, Blocks * GroupsOfX * rows).Fill(XScale);
        for (int i = 0; i < Blocks * GroupsOfX * rows; i++)
        {
            offsets[i] = 100 - i;
        }

        new Span<float>(sums, Blocks * rows * PanelLayout.PanelOutputs).Fill(1);
        var input = new PanelInput { Form = form, BlockRows = rows, Groups = GroupsOfX };
        nint groupBytes = input.BlockBytes / GroupsOfX;
        var arguments = new PanelArguments
        {
            Values = values,
            Scales = scales,
            X = x,
            XScales = xScales,
            XOffsets = offsets,
            Sums = sums,
            Groups = Groups,
            Blocks = Blocks,
            XSkip = (GroupsOfX - Groups) * groupBytes,
            ParameterSkip = (GroupsOfX - Groups) * rows * sizeof(float),
        };
        ((delegate* unmanaged<PanelArguments*, void>)kernel)(&arguments);
        for (int row = 0; row < Blocks * rows; row++)
        {
            for (int lane = 0; lane < PanelLayout.PanelOutputs; lane++)
            {
                float expected = 1;
                for (int group = 0; group < Groups; group++)
                {
                    int integers = Sum(format, form, rows, values, x, row, lane, group);
                    int parameter = (row / rows * GroupsOfX + group) * rows + row % rows;
                    expected += format == PanelFormat.BFloat16 ? integers : XScale * (integers + offsets[parameter]);
                }

                if (sums[row * PanelLayout.PanelOutputs + lane] != expected)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static void Fill(PanelFormat format, PanelInputForm form, int rows, byte* values, byte* x)
    {
        int weights = Groups * PanelLayout.PanelOutputs * PanelLayout.GroupInputs;
        int inputs = Blocks * GroupsOfX * PanelLayout.GroupInputs * rows;
        for (int i = 0; i < weights; i++)
        {
            if (format == PanelFormat.BFloat16)
            {
                ((ushort*)values)[i] = FloatConversions.SingleToBFloat16(i * 37 % 17 - 8);
            }
            else if (i < Groups * format.GroupBytes())
            {
                values[i] = (byte)(i * 37 + 11);
            }
        }

        for (int i = 0; i < inputs; i++)
        {
            int value = i * 29 % 19 - 9;
            switch (form)
            {
                case PanelInputForm.Bytes:
                    ((sbyte*)x)[i] = (sbyte)(value * 14);
                    break;
                case PanelInputForm.Floats:
                    ((float*)x)[i] = value;
                    break;
                default:
                    ((ushort*)x)[i] = FloatConversions.SingleToBFloat16(value);
                    break;
            }
        }
    }

    private static int Sum(PanelFormat format, PanelInputForm form, int rows, byte* values, byte* x, int row, int lane, int group)
    {
        int sum = 0;
        int firstInput = (row / rows * GroupsOfX + group) * PanelLayout.GroupInputs;
        for (int k = 0; k < PanelLayout.GroupInputs; k++)
        {
            int quad = k / PanelLayout.QuadInputs;
            int place = lane * PanelLayout.QuadInputs + k % PanelLayout.QuadInputs;
            byte* groupValues = values + group * format.GroupBytes();
            int weight = format switch
            {
                PanelFormat.Integers4 => (groupValues[quad % 4 * 64 + place] >> (quad / 4 * 4)) & 15,
                PanelFormat.Unsigned8 => groupValues[quad * 64 + place],
                _ => (int)FloatConversions.BFloat16ToSingle(((ushort*)groupValues)[k / 2 * 32 + lane * 2 + k % 2]),
            };
            int input = form switch
            {
                PanelInputForm.Bytes => ((sbyte*)x)[firstInput * rows + (quad * rows + row % rows) * 4 + k % 4],
                PanelInputForm.Floats => (int)((float*)x)[(firstInput + k) * rows + row % rows],
                _ => (int)FloatConversions.BFloat16ToSingle(((ushort*)x)[firstInput * rows + (k / 2 * rows + row % rows) * 2 + k % 2]),
            };
            sum += weight * input;
        }

        return sum;
    }
}
