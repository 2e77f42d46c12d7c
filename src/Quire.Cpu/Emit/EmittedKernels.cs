using System;
using System.Collections.Generic;
using System.Numerics;
using Quire.Cpu.Kernels.Panels;

namespace Quire.Cpu.Emit;

/// <summary>
/// The kernels that this processor has instructions for and .NET no names, assembled when the first layer asks for them. Code lives as
/// long as this object.
/// </summary>
internal sealed class EmittedKernels(ProcessorExtensions extensions) : IDisposable
{
    /// <summary>Rows of a block for which there are kernels, in order.</summary>
    public static ReadOnlySpan<int> Rows => [1, 2, 4, 8];

    private readonly List<ExecutableMemory> _memory = [];
    private readonly Dictionary<PanelFormat, nint[]?> _kernels = [];

    /// <summary>What the processor offers.</summary>
    public ProcessorExtensions Extensions => extensions;

    /// <summary>
    /// The kernels of a format, one for each of <see cref="Rows"/>; null where the processor lacks the instructions, the system forbids
    /// assembled code, or a kernel does not compute what it should. Of <see cref="PanelFormat.BFloat16"/> they take pairs or floats as <see cref="ProcessorExtensions.BFloat16Products"/> says.
    /// </summary>
    public nint[]? Find(PanelFormat format)
    {
        if (!_kernels.TryGetValue(format, out nint[]? kernels))
        {
            kernels = Offers(format) ? Assemble(format) : null;
            _kernels.Add(format, kernels);
        }

        return kernels;
    }

    /// <summary>The same for weights with blocks.</summary>
    public nint[]? FindQuants<TQuants>()
        where TQuants : struct, IBlockQuants
    {
        if (!_kernels.TryGetValue(TQuants.Format, out nint[]? kernels))
        {
            kernels = extensions.IntegerProducts ? Load(BlockAssembler.Quants<TQuants>) : null;
            kernels = kernels is not null && BlockProof.Quants<TQuants>(kernels) ? kernels : null;
            _kernels.Add(TQuants.Format, kernels);
        }

        return kernels;
    }

    /// <summary>The same for integers with scales and zero points.</summary>
    public nint[]? FindAffine<TIntegers>()
        where TIntegers : struct, IAffineIntegers
    {
        if (!_kernels.TryGetValue(TIntegers.Format, out nint[]? kernels))
        {
            kernels = extensions.IntegerProducts ? Load(BlockAssembler.Affine<TIntegers>) : null;
            kernels = kernels is not null && BlockProof.Affine<TIntegers>(kernels) ? kernels : null;
            _kernels.Add(TIntegers.Format, kernels);
        }

        return kernels;
    }

    /// <summary>The place of a number of rows in <see cref="Rows"/>.</summary>
    public static int IndexOf(int rows) => BitOperations.Log2((uint)rows);

    public void Dispose()
    {
        foreach (ExecutableMemory memory in _memory)
        {
            memory.Dispose();
        }

        _memory.Clear();
        _kernels.Clear();
    }

    private bool Offers(PanelFormat format) => format switch
    {
        PanelFormat.Integers4 or PanelFormat.Unsigned8 => extensions.IntegerProducts,
        PanelFormat.BFloat16 => extensions.Vectors512,
        _ => false,
    };

    /// <summary>The code for each of <see cref="Rows"/> in executable memory; null where the system forbids it.</summary>
    private nint[]? Load(Func<int, byte[]> assemble)
    {
        nint[] kernels = new nint[Rows.Length];
        for (int i = 0; i < kernels.Length; i++)
        {
            if (ExecutableMemory.TryCreate(assemble(Rows[i])) is not { } memory)
            {
                return null;
            }

            _memory.Add(memory);
            kernels[i] = memory.Start;
        }

        return kernels;
    }

    private nint[]? Assemble(PanelFormat format)
    {
        PanelInputForm form = format != PanelFormat.BFloat16 ? PanelInputForm.Bytes
            : extensions.BFloat16Products ? PanelInputForm.BFloat16Pairs : PanelInputForm.Floats;
        nint[] kernels = new nint[Rows.Length];
        for (int i = 0; i < kernels.Length; i++)
        {
            byte[] code = format == PanelFormat.BFloat16
                ? PanelAssembler.BFloat16(extensions.BFloat16Products, Rows[i])
                : PanelAssembler.Integers(format, Rows[i]);
            if (ExecutableMemory.TryCreate(code) is not { } memory)
            {
                return null;
            }

            _memory.Add(memory);
            kernels[i] = memory.Start;
            if (!KernelProof.Holds(kernels[i], format, form, Rows[i]))
            {
                return null;
            }
        }

        return kernels;
    }
}
