using System.Runtime.InteropServices;
using Iced.Intel;
using Quire.Cpu.Kernels.Panels;
using static Iced.Intel.AssemblerRegisters;

namespace Quire.Cpu.Emit;

/// <summary>What an assembled kernel of one block of a panel is given. Read by offset: eight bytes a field, in this order.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct BlockArguments
{
    /// <summary>The groups of the block.</summary>
    public byte* Values;

    /// <summary>[units, 16].</summary>
    public byte* UnitScales;

    /// <summary>[groups, 16].</summary>
    public byte* Minima;

    /// <summary>[16] of the scales, then [16] of the minima; of grouped integers [16] scales, then [16] 32-bit integers that are added to each weight.</summary>
    public float* Factors;
    public byte* X;
    public float* XScales;
    public int* XOffsets;
    public float* XSums;

    /// <summary>[blocks of rows, rows, 16]: what the products are added to.</summary>
    public float* Sums;
    public long Groups;
    public long Blocks;

    /// <summary>From the end of the groups of one block of rows to their start in the next: of x, of scales and sums, of offsets.</summary>
    public long XSkip;
    public long ParameterSkip;
    public long OffsetSkip;
}

/// <summary>
/// Assembles products of one block of a panel with blocks of 1, 2, 4 or 8 rows on vectors of 512 bits; calls and registers as in
/// <see cref="PanelAssembler"/>.
/// </summary>
/// <remarks>
/// Registers: 16 to 23 are the integer sums of a unit, 24 to 31 the floats of the block (t, and then u). 0 and 1 hold weights, 2 and 4 masks, 3
/// scales or bits above, 5 what is added to weights. Instructions: Intel SDM volume 2, AVX512_VNNI.
/// </remarks>
internal static class BlockAssembler
{
    private const int RowBytes = PanelLayout.PanelOutputs * sizeof(float);
    private const int LaneBytes = 4;
    private const int VectorBytes = 64;

    /// <summary>The truth table of a | (b &amp; c).</summary>
    private const byte OrAnd = 0xF8;

    private static readonly AssemblerRegisterZMM[] Integers = [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23];
    private static readonly AssemblerRegisterZMM[] Floats = [zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31];

    /// <summary>What <see cref="IBlockQuants"/> defines, by <c>vpdpbusd</c>.</summary>
    public static byte[] Quants<TQuants>(int rows)
        where TQuants : struct, IBlockQuants
    {
        var code = new Assembler(64);
        Enter(code);
        Broadcast(code, zmm2, TQuants.Bits == 3 ? 0x0303_0303 : 0x0F0F_0F0F);
        Broadcast(code, zmm4, TQuants.Bits switch
        {
            3 => 0x0404_0404,
            5 => 0x1010_1010,
            _ => 0x3030_3030,
        });
        code.mov(rax, __qword_ptr[rbx + 32]);
        Label block = code.CreateLabel();
        Label group = code.CreateLabel();
        code.Label(ref block);
        StartBlock(code, rows);
        code.Label(ref group);
        int units = TQuants.Bits != 4 ? 2 : 1;
        for (int unit = 0; unit < units; unit++)
        {
            for (int r = 0; r < rows; r++)
            {
                if (TQuants.ZeroPoint != 0)
                {
                    code.vpbroadcastd(Integers[r], __dword_ptr[r9 + LaneBytes * (unit * rows + r)]);
                }
                else
                {
                    code.vpxord(Integers[r], Integers[r], Integers[r]);
                }
            }

            Products<TQuants>(code, unit, rows);
            int scale = TQuants.Scales == UnitScales.OfHalves ? unit : 0;
            if (TQuants.Scales != UnitScales.None)
            {
                if (TQuants.Scales == UnitScales.OfHalves)
                {
                    code.vpmovsxbd(zmm3, __xmmword_ptr[rdx + PanelLayout.PanelOutputs * scale]);
                }
                else
                {
                    code.vpmovzxbd(zmm3, __xmmword_ptr[rdx]);
                }

                code.vcvtdq2ps(zmm3, zmm3);
            }

            for (int r = 0; r < rows; r++)
            {
                code.vcvtdq2ps(Integers[r], Integers[r]);
                if (TQuants.Scales != UnitScales.None)
                {
                    // Exact: below 2²⁴.
                    code.vmulps(Integers[r], Integers[r], zmm3);
                }

                code.vfmadd231ps(Floats[r], Integers[r], __dword_bcst[r8 + LaneBytes * r]);
            }
        }

        code.add(rsi, TQuants.Format.GroupBytes());
        code.add(rdx, TQuants.Scales == UnitScales.OfHalves ? 2 * PanelLayout.PanelOutputs : PanelLayout.PanelOutputs);
        code.add(rax, PanelLayout.GroupInputs * rows);
        code.add(r8, LaneBytes * rows);
        code.add(r9, LaneBytes * rows * units);
        code.dec(r11);
        code.jnz(group);
        Finish(code, rows);
        if (TQuants.HasMinima)
        {
            Minima(code, rows);
        }

        NextBlock(code, block, rows);
        return PanelAssembler.Bytes(code);
    }

    /// <summary>Integers of 4 or 8 bits with a zero point times inputs of 16 bits (<c>vpdpwssd</c>).</summary>
    public static byte[] Affine<TIntegers>(int rows)
        where TIntegers : struct, IAffineIntegers
    {
        var code = new Assembler(64);
        Enter(code);
        Broadcast(code, zmm2, 0x000F_000F);
        code.mov(rax, __qword_ptr[rbx + 32]);
        Label block = code.CreateLabel();
        Label group = code.CreateLabel();
        code.Label(ref block);
        StartBlock(code, rows);
        code.vmovdqu32(zmm5, __zmmword_ptr[rdi + RowBytes]);
        code.Label(ref group);
        for (int r = 0; r < rows; r++)
        {
            code.vpmulld(Integers[r], zmm5, __dword_bcst[r9 + LaneBytes * r]);
        }

        if (TIntegers.Format == PanelFormat.Affine4)
        {
            for (int quad = 0; quad < 4; quad++)
            {
                code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
                code.vpandd(zmm1, zmm0, zmm2);
                Pairs(code, zmm1, 2 * quad * rows, rows);
                code.vpsrlw(zmm3, zmm0, 8);
                code.vpandd(zmm3, zmm3, zmm2);
                Pairs(code, zmm3, 2 * quad * rows + 1, rows);
                code.vpsrlw(zmm1, zmm0, 4);
                code.vpandd(zmm1, zmm1, zmm2);
                Pairs(code, zmm1, 2 * (quad + 4) * rows, rows);
                code.vpsrlw(zmm3, zmm0, 12);
                Pairs(code, zmm3, 2 * (quad + 4) * rows + 1, rows);
            }
        }
        else
        {
            for (int quad = 0; quad < PanelLayout.GroupQuads; quad++)
            {
                code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
                code.vpsllw(zmm1, zmm0, 8);
                code.vpsraw(zmm1, zmm1, 8);
                Pairs(code, zmm1, 2 * quad * rows, rows);
                code.vpsraw(zmm3, zmm0, 8);
                Pairs(code, zmm3, 2 * quad * rows + 1, rows);
            }
        }

        for (int r = 0; r < rows; r++)
        {
            code.vcvtdq2ps(Integers[r], Integers[r]);
            code.vfmadd231ps(Floats[r], Integers[r], __dword_bcst[r8 + LaneBytes * r]);
        }

        code.add(rsi, TIntegers.GroupBytes);
        code.add(rax, PanelLayout.GroupInputs * sizeof(short) * rows);
        code.add(r8, LaneBytes * rows);
        code.add(r9, LaneBytes * rows);
        code.dec(r11);
        code.jnz(group);
        Finish(code, rows);
        NextBlock(code, block, rows);
        return PanelAssembler.Bytes(code);
    }

    /// <summary>The products of a unit: all quads of 4-bit weights, half of them otherwise.</summary>
    private static void Products<TQuants>(Assembler code, int unit, int rows)
        where TQuants : struct, IBlockQuants
    {
        const int LowBytes = PanelLayout.PanelOutputs * PanelLayout.GroupInputs / 2;
        if (TQuants.Bits == 4)
        {
            for (int quad = 0; quad < 4; quad++)
            {
                code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
                code.vpandd(zmm1, zmm0, zmm2);
                Quad(code, zmm1, quad, rows);
                code.vpsrlw(zmm0, zmm0, 4);
                code.vpandd(zmm0, zmm0, zmm2);
                Quad(code, zmm0, quad + 4, rows);
            }

            return;
        }

        if (TQuants.Bits == 3)
        {
            Threes(code, unit, rows);
            return;
        }

        int step = TQuants.Bits - 4;
        code.vmovdqu32(zmm3, __zmmword_ptr[rsi + LowBytes + (step == 2 ? VectorBytes * unit : 0)]);
        for (int quad = 0; quad < 4; quad++)
        {
            code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
            if (unit > 0)
            {
                code.vpsrlw(zmm0, zmm0, 4);
            }

            code.vpandd(zmm0, zmm0, zmm2);
            Above(code, 4 - step * quad - (step == 1 ? 4 * unit : 0));
            Quad(code, zmm0, 4 * unit + quad, rows);
        }
    }

    /// <summary>Half of a group of 3-bit weights.</summary>
    private static void Threes(Assembler code, int unit, int rows)
    {
        code.vmovdqu32(zmm3, __zmmword_ptr[rsi + 2 * VectorBytes]);
        code.vmovdqu32(zmm5, __zmmword_ptr[rsi + VectorBytes * unit]);
        for (int quad = 0; quad < 4; quad++)
        {
            code.vpsrlw(zmm0, zmm5, (byte)(2 * quad));
            code.vpandd(zmm0, zmm0, zmm2);
            Above(code, 2 - 4 * unit - quad);
            Quad(code, zmm0, 4 * unit + quad, rows);
        }
    }

    /// <summary>Adds the bits above to those in register 0: register 3 shifted to the left, or to the right, and of that the mask.</summary>
    private static void Above(Assembler code, int shift)
    {
        if (shift > 0)
        {
            code.vpsllw(zmm1, zmm3, (byte)shift);
        }
        else if (shift < 0)
        {
            code.vpsrlw(zmm1, zmm3, (byte)-shift);
        }

        code.vpternlogd(zmm0, shift == 0 ? zmm3 : zmm1, zmm4, OrAnd);
    }

    private static void Quad(Assembler code, AssemblerRegisterZMM weights, int quad, int rows)
    {
        for (int r = 0; r < rows; r++)
        {
            code.vpdpbusd(Integers[r], weights, __dword_bcst[rax + LaneBytes * (quad * rows + r)]);
        }
    }

    /// <summary>Products of pairs; a quad of a row of x is two of them, beside each other.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="weights">Pairs of 16 bits.</param>
    /// <param name="pair">The place of the pair of the first row.</param>
    /// <param name="rows">Rows.</param>
    private static void Pairs(Assembler code, AssemblerRegisterZMM weights, int pair, int rows)
    {
        for (int r = 0; r < rows; r++)
        {
            code.vpdpwssd(Integers[r], weights, __dword_bcst[rax + LaneBytes * (pair + 2 * r)]);
        }
    }

    /// <summary>sums = fma(factor, t, sums).</summary>
    private static void Finish(Assembler code, int rows)
    {
        code.vmovups(zmm3, __zmmword_ptr[rdi]);
        for (int r = 0; r < rows; r++)
        {
            code.vfmadd213ps(Floats[r], zmm3, __zmmword_ptr[r10 + RowBytes * r]);
            code.vmovups(__zmmword_ptr[r10 + RowBytes * r], Floats[r]);
        }
    }

    /// <summary>sums = fma(−factor, u, sums), where u adds up over the groups of the block.</summary>
    private static void Minima(Assembler code, int rows)
    {
        code.mov(rdx, __qword_ptr[rbx + 16]);
        code.mov(r11, __qword_ptr[rbx + 72]);
        for (int r = 0; r < rows; r++)
        {
            code.vpxord(Floats[r], Floats[r], Floats[r]);
        }

        Label group = code.CreateLabel();
        code.Label(ref group);
        code.vpmovzxbd(zmm0, __xmmword_ptr[rdx]);
        code.vcvtdq2ps(zmm0, zmm0);
        for (int r = 0; r < rows; r++)
        {
            code.vfmadd231ps(Floats[r], zmm0, __dword_bcst[r12 + LaneBytes * r]);
        }

        code.add(rdx, PanelLayout.PanelOutputs);
        code.add(r12, LaneBytes * rows);
        code.dec(r11);
        code.jnz(group);
        code.vmovups(zmm3, __zmmword_ptr[rdi + RowBytes]);
        for (int r = 0; r < rows; r++)
        {
            code.vfnmadd213ps(Floats[r], zmm3, __zmmword_ptr[r10 + RowBytes * r]);
            code.vmovups(__zmmword_ptr[r10 + RowBytes * r], Floats[r]);
        }
    }

    private static void Broadcast(Assembler code, AssemblerRegisterZMM target, int value)
    {
        code.mov(eax, value);
        code.vpbroadcastd(target, eax);
    }

    /// <summary>Saves what must be kept and loads what stays the same or runs on from block to block.</summary>
    private static void Enter(Assembler code)
    {
        code.push(rbx);
        code.push(rsi);
        code.push(rdi);
        code.push(r12);
        code.mov(rbx, System.OperatingSystem.IsWindows() ? rcx : rdi);
        code.mov(rdi, __qword_ptr[rbx + 24]);
        code.mov(r8, __qword_ptr[rbx + 40]);
        code.mov(r9, __qword_ptr[rbx + 48]);
        code.mov(r12, __qword_ptr[rbx + 56]);
        code.mov(r10, __qword_ptr[rbx + 64]);
        code.mov(rcx, __qword_ptr[rbx + 80]);
    }

    private static void StartBlock(Assembler code, int rows)
    {
        code.mov(rsi, __qword_ptr[rbx]);
        code.mov(rdx, __qword_ptr[rbx + 8]);
        code.mov(r11, __qword_ptr[rbx + 72]);
        for (int r = 0; r < rows; r++)
        {
            code.vpxord(Floats[r], Floats[r], Floats[r]);
        }
    }

    private static void NextBlock(Assembler code, Label block, int rows)
    {
        code.add(rax, __qword_ptr[rbx + 88]);
        code.add(r8, __qword_ptr[rbx + 96]);
        code.add(r9, __qword_ptr[rbx + 104]);
        code.add(r12, __qword_ptr[rbx + 96]);
        code.add(r10, RowBytes * rows);
        code.dec(rcx);
        code.jnz(block);
        code.vzeroupper();
        code.pop(r12);
        code.pop(rdi);
        code.pop(rsi);
        code.pop(rbx);
        code.ret();
    }
}
