using System;
using Quire.Cpu;
using Quire.Cpu.Emit;
using Quire.Cpu.Kernels.Panels;

namespace Quire.Kernels.Tests;

/// <summary>Assembled kernels, interpreted: their products are those of the compiler's kernels, which other tests hold to definitions.</summary>
public class EmulatedKernelTests
{
    [Fact]
    public void Products_of_blocks_are_those_of_the_compiler_bit_for_bit()
    {
        RequireVectors();
        Quants<Q41Quants>();
        Quants<Q50Quants>();
        Quants<Q51Quants>();
        Quants<Q3KQuants>();
        Quants<Q4KQuants>();
        Quants<Q5KQuants>();
        Quants<Q6KQuants>();
    }

    [Fact]
    public void Products_of_grouped_integers_are_those_of_the_compiler_bit_for_bit()
    {
        RequireVectors();
        Affine<AffineFours>();
        Affine<AffineEights>();
    }

    [Fact]
    public void Products_of_one_scale_a_group_hold()
    {
        var kernels = new EmulatedKernels();
        foreach (int rows in EmittedKernels.Rows)
        {
            foreach (PanelFormat format in (PanelFormat[])[PanelFormat.Integers4, PanelFormat.Unsigned8])
            {
                Assert.True(KernelProof.Holds(kernels.Add(PanelAssembler.Integers(format, rows)), format, PanelInputForm.Bytes, rows), $"{format} x {rows}");
            }

            nint floats = kernels.Add(PanelAssembler.BFloat16(pairs: false, rows));
            Assert.True(KernelProof.Holds(floats, PanelFormat.BFloat16, PanelInputForm.Floats, rows), $"BF16 x {rows}");
        }

        GC.KeepAlive(kernels);
    }

    [Fact]
    public void A_kernel_of_another_format_is_found_wrong()
    {
        RequireVectors();
        var emulated = new EmulatedKernels();
        Assert.False(BlockProof.Quants<Q5KQuants>(Load(emulated, BlockAssembler.Quants<Q4KQuants>)));
        Assert.False(BlockProof.Affine<AffineEights>(Load(emulated, BlockAssembler.Affine<AffineFours>)));
        GC.KeepAlive(emulated);
    }

    private static void RequireVectors() => Assert.SkipUnless(CpuFeatures.Widest >= InstructionTier.Vector256, "this processor has no AVX2");

    private static void Quants<TQuants>()
        where TQuants : struct, IBlockQuants
    {
        var emulated = new EmulatedKernels();
        Assert.True(BlockProof.Quants<TQuants>(Load(emulated, BlockAssembler.Quants<TQuants>)), typeof(TQuants).Name);
        GC.KeepAlive(emulated);
    }

    private static void Affine<TIntegers>()
        where TIntegers : struct, IAffineIntegers
    {
        var emulated = new EmulatedKernels();
        Assert.True(BlockProof.Affine<TIntegers>(Load(emulated, BlockAssembler.Affine<TIntegers>)), typeof(TIntegers).Name);
        GC.KeepAlive(emulated);
    }

    private static nint[] Load(EmulatedKernels emulated, Func<int, byte[]> assemble)
    {
        nint[] kernels = new nint[EmittedKernels.Rows.Length];
        for (int i = 0; i < kernels.Length; i++)
        {
            kernels[i] = emulated.Add(assemble(EmittedKernels.Rows[i]));
        }

        return kernels;
    }
}
