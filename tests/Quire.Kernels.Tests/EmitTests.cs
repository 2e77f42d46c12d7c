using System;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Quire.Cpu;
using Quire.Cpu.Emit;
using Quire.Cpu.Kernels.Panels;
using Quire.Tensors;
using static Iced.Intel.AssemblerRegisters;

namespace Quire.Kernels.Tests;

/// <summary>Assembled code. That its products are right is compared by the tests of layers, where the processor has the instructions.</summary>
public unsafe class EmitTests
{
    [Fact]
    public void Assembled_code_runs_and_finds_its_argument()
    {
        Assert.SkipUnless(X86Base.X64.IsSupported, "this processor is not an x64");
        var code = new Assembler(64);
        code.mov(rax, OperatingSystem.IsWindows() ? rcx : rdi);
        code.add(__dword_ptr[rax], 3);
        code.ret();
        using var stream = new System.IO.MemoryStream();
        code.Assemble(new StreamCodeWriter(stream), 0);
        using ExecutableMemory? memory = ExecutableMemory.TryCreate(stream.ToArray());
        Assert.SkipWhen(memory is null, "this system lets a process make no code");
        int value = 39;
        ((delegate* unmanaged<int*, void>)memory.Start)(&value);
        Assert.Equal(42, value);
    }

    [Fact]
    public void Every_kernel_assembles_and_keeps_the_registers_that_conventions_ask_to_keep()
    {
        foreach (int rows in EmittedKernels.Rows)
        {
            Check(PanelAssembler.Integers(PanelFormat.Integers4, rows), Mnemonic.Vpdpbusd, rows * PanelLayout.GroupQuads);
            Check(PanelAssembler.Integers(PanelFormat.Unsigned8, rows), Mnemonic.Vpdpbusd, rows * PanelLayout.GroupQuads);
            Check(PanelAssembler.BFloat16(pairs: true, rows), Mnemonic.Vdpbf16ps, rows * PanelLayout.GroupInputs / 2);
            Check(PanelAssembler.BFloat16(pairs: false, rows), Mnemonic.Vfmadd231ps, rows * PanelLayout.GroupInputs);
        }
    }

    [Fact]
    public void Arguments_lie_where_the_code_reads_them()
    {
        Assert.Equal(80, sizeof(PanelArguments));
        Assert.Equal(16, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.X)));
        Assert.Equal(24, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.XScales)));
        Assert.Equal(32, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.XOffsets)));
        Assert.Equal(40, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.Sums)));
        Assert.Equal(48, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.Groups)));
        Assert.Equal(56, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.Blocks)));
        Assert.Equal(64, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.XSkip)));
        Assert.Equal(72, (int)Marshal.OffsetOf<PanelArguments>(nameof(PanelArguments.ParameterSkip)));
    }

    [Fact]
    public void Assembled_products_of_integers_are_those_of_the_compiler_bit_for_bit()
    {
        Assert.SkipUnless(
            ProcessorExtensions.Detect(CpuFeatures.Widest, new CpuOptions()).IntegerProducts, "this processor has no AVX-512 VNNI");
        using var world = new KernelWorld();
        using var compiled = new CpuBackend(new CpuOptions { Threads = 2, AssembleKernels = false });
        foreach (BlockFormat format in new[] { BlockFormat.Q40, BlockFormat.Q80 })
        {
            var source = new LinearSource("layer", [BlockLinearTests.Part(world, format, 75, 1568)]);
            LinearWeight weight = world.Cpu.CreateLinear(source);
            LinearWeight other = compiled.CreateLinear(source);
            foreach (int tokens in new[] { 1, 2, 3, 7, 40 })
            {
                Tensor x = world.Numbers(tokens, 1568);
                Tensor y = world.Unset(tokens, 75);
                Tensor z = world.Unset(tokens, 75);
                world.Cpu.Ops.Linear(x, weight, y);
                compiled.Ops.Linear(x, other, z);
                world.AssertSameBits(z, y, $"{format} x {tokens}");
            }
        }
    }

    [Fact]
    public void A_kernel_that_computes_nothing_is_found()
    {
        Assert.SkipUnless(X86Base.X64.IsSupported, "this processor is not an x64");
        using ExecutableMemory? memory = ExecutableMemory.TryCreate([0xC3]);
        Assert.SkipWhen(memory is null, "this system lets a process make no code");
        foreach (int rows in EmittedKernels.Rows)
        {
            Assert.False(KernelProof.Holds(memory.Start, PanelFormat.Integers4, PanelInputForm.Bytes, rows));
            Assert.False(KernelProof.Holds(memory.Start, PanelFormat.BFloat16, PanelInputForm.Floats, rows));
        }
    }

    [Fact]
    public void Every_kernel_that_the_processor_has_is_found()
    {
        ProcessorExtensions extensions = ProcessorExtensions.Detect(CpuFeatures.Widest, new CpuOptions { BFloat16Inputs = true });
        using var kernels = new EmittedKernels(extensions);
        using var floats = new EmittedKernels(extensions with { BFloat16Products = false });
        Assert.Equal(extensions.IntegerProducts, kernels.Find(PanelFormat.Integers4) is not null);
        Assert.Equal(extensions.IntegerProducts, kernels.Find(PanelFormat.Unsigned8) is not null);
        Assert.Equal(extensions.Vectors512, kernels.Find(PanelFormat.BFloat16) is not null);
        Assert.Equal(extensions.Vectors512, floats.Find(PanelFormat.BFloat16) is not null);
    }

    private static void Check(byte[] code, Mnemonic product, int count)
    {
        var decoder = Decoder.Create(64, code);
        int products = 0;
        int pushed = 0;
        Instruction last = default;
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            Assert.False(instruction.IsInvalid);
            products += instruction.Mnemonic == product && instruction.Op2Kind == OpKind.Memory && instruction.IsBroadcast ? 1 : 0;
            pushed += instruction.Mnemonic == Mnemonic.Push ? 1 : instruction.Mnemonic == Mnemonic.Pop ? -1 : 0;
            for (int operand = 0; operand < instruction.OpCount; operand++)
            {
                // Windows keeps the lower halves of xmm6 to xmm15.
                int vector = instruction.GetOpRegister(operand) - Register.ZMM0;
                Assert.False(vector is >= 6 and <= 15, instruction.ToString());
            }

            last = instruction;
        }

        Assert.Equal(count, products);
        Assert.Equal(0, pushed);
        Assert.Equal(Mnemonic.Ret, last.Mnemonic);
    }
}
