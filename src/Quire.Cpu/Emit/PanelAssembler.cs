using System.IO;
using System.Runtime.InteropServices;
using Iced.Intel;
using Quire.Cpu.Kernels.Panels;
using static Iced.Intel.AssemblerRegisters;

namespace Quire.Cpu.Emit;

/// <summary>What an assembled kernel is given. Read by offset: eight bytes a field, in this order.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct PanelArguments
{
    /// <summary>The groups of a panel.</summary>
    public byte* Values;
    public ushort* Scales;
    public byte* X;
    public float* XScales;
    public int* XOffsets;

    /// <summary>[blocks, rows, 16]: what the products are added to.</summary>
    public float* Sums;
    public long Groups;
    public long Blocks;

    /// <summary>From the end of the groups of one block of x to their start in the next.</summary>
    public long XSkip;

    /// <summary>The same for scales and offsets.</summary>
    public long ParameterSkip;
}

/// <summary>
/// Assembles the products of a panel, some groups of it, with blocks of 1, 2, 4 or 8 rows, on vectors of 512 bits. Such a kernel is a
/// function of one argument, the address of <see cref="PanelArguments"/>, by the convention of the system. Of the vector registers it uses
/// those that no convention asks to keep.
/// </summary>
/// <remarks>
/// Registers: 16 to 31 are accumulators, two for each of eight rows. 0 holds weights, 1 what is made of them, 2 a mask, 3 scales.
/// Instructions: Intel SDM volume 2, AVX512_VNNI and AVX512_BF16.
/// </remarks>
internal static class PanelAssembler
{
    private const int RowBytes = PanelLayout.PanelOutputs * sizeof(float);
    private const int LaneBytes = 4;
    private const int VectorBytes = 64;

    private static readonly AssemblerRegisterZMM[] First = [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23];
    private static readonly AssemblerRegisterZMM[] Second = [zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31];

    /// <summary>Integers of 4 or 8 bits without sign times bytes with sign, four to a lane (<c>vpdpbusd</c>).</summary>
    public static byte[] Integers(PanelFormat format, int rows)
    {
        var code = new Assembler(64);
        Enter(code);
        if (format == PanelFormat.Integers4)
        {
            code.mov(eax, 0x0F0F_0F0F);
            code.vpbroadcastd(zmm2, eax);
        }

        code.mov(rax, __qword_ptr[rbx + 16]);
        Label block = code.CreateLabel();
        Label group = code.CreateLabel();
        code.Label(ref block);
        StartBlock(code);
        for (int r = 0; r < rows; r++)
        {
            code.vmovups(Second[r], __zmmword_ptr[r10 + RowBytes * r]);
        }

        code.Label(ref group);
        for (int r = 0; r < rows; r++)
        {
            code.vpbroadcastd(First[r], __dword_ptr[r9 + LaneBytes * r]);
        }

        Products(code, format, rows);
        code.vcvtph2ps(zmm3, __ymmword_ptr[rdx]);
        for (int r = 0; r < rows; r++)
        {
            code.vcvtdq2ps(First[r], First[r]);
            code.vmulps(zmm1, zmm3, __dword_bcst[r8 + LaneBytes * r]);
            code.vfmadd231ps(Second[r], First[r], zmm1);
        }

        code.add(rsi, format.GroupBytes());
        code.add(rdx, PanelLayout.PanelOutputs * sizeof(ushort));
        code.add(rax, PanelLayout.GroupInputs * rows);
        code.add(r8, LaneBytes * rows);
        code.add(r9, LaneBytes * rows);
        code.dec(r11);
        code.jnz(group);
        for (int r = 0; r < rows; r++)
        {
            code.vmovups(__zmmword_ptr[r10 + RowBytes * r], Second[r]);
        }

        NextBlock(code, block, rows);
        return Bytes(code);
    }

    /// <summary>
    /// Pairs of BF16. With <c>vdpbf16ps</c> x is pairs of BF16 too, and even and odd pairs have an accumulator each; without it x is floats,
    /// and even and odd inputs have. The two are added at the end of the groups.
    /// </summary>
    public static byte[] BFloat16(bool pairs, int rows)
    {
        var code = new Assembler(64);
        Enter(code);
        code.mov(eax, unchecked((int)0xFFFF_0000));
        code.vpbroadcastd(zmm2, eax);
        code.mov(rax, __qword_ptr[rbx + 16]);
        Label block = code.CreateLabel();
        Label group = code.CreateLabel();
        code.Label(ref block);
        StartBlock(code);
        for (int r = 0; r < rows; r++)
        {
            code.vpxord(First[r], First[r], First[r]);
            code.vpxord(Second[r], Second[r], Second[r]);
        }

        code.Label(ref group);
        for (int pair = 0; pair < PanelLayout.GroupInputs / 2; pair++)
        {
            code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * pair]);
            if (pairs)
            {
                AssemblerRegisterZMM[] sums = pair % 2 == 0 ? First : Second;
                for (int r = 0; r < rows; r++)
                {
                    code.vdpbf16ps(sums[r], zmm0, __dword_bcst[rax + LaneBytes * (pair * rows + r)]);
                }

                continue;
            }

            code.vpandd(zmm1, zmm0, zmm2);
            code.vpslld(zmm0, zmm0, 16);
            for (int r = 0; r < rows; r++)
            {
                code.vfmadd231ps(First[r], zmm0, __dword_bcst[rax + LaneBytes * (2 * pair * rows + r)]);
                code.vfmadd231ps(Second[r], zmm1, __dword_bcst[rax + LaneBytes * ((2 * pair + 1) * rows + r)]);
            }
        }

        code.add(rsi, PanelFormat.BFloat16.GroupBytes());
        code.add(rax, PanelLayout.GroupInputs * rows * (pairs ? 2 : 4));
        code.dec(r11);
        code.jnz(group);
        for (int r = 0; r < rows; r++)
        {
            code.vaddps(First[r], First[r], Second[r]);
            code.vaddps(First[r], First[r], __zmmword_ptr[r10 + RowBytes * r]);
            code.vmovups(__zmmword_ptr[r10 + RowBytes * r], First[r]);
        }

        NextBlock(code, block, rows);
        return Bytes(code);
    }

    /// <summary>The products of one group.</summary>
    private static void Products(Assembler code, PanelFormat format, int rows)
    {
        if (format != PanelFormat.Integers4)
        {
            for (int quad = 0; quad < PanelLayout.GroupQuads; quad++)
            {
                code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
                Quad(code, zmm0, quad, rows);
            }

            return;
        }

        for (int quad = 0; quad < PanelLayout.GroupQuads / 2; quad++)
        {
            code.vmovdqu32(zmm0, __zmmword_ptr[rsi + VectorBytes * quad]);
            code.vpandd(zmm1, zmm0, zmm2);
            Quad(code, zmm1, quad, rows);
            code.vpsrlw(zmm0, zmm0, 4);
            code.vpandd(zmm0, zmm0, zmm2);
            Quad(code, zmm0, quad + PanelLayout.GroupQuads / 2, rows);
        }
    }

    private static void Quad(Assembler code, AssemblerRegisterZMM weights, int quad, int rows)
    {
        for (int r = 0; r < rows; r++)
        {
            code.vpdpbusd(First[r], weights, __dword_bcst[rax + LaneBytes * (quad * rows + r)]);
        }
    }

    /// <summary>Saves what must be kept and loads what stays the same or runs on from block to block.</summary>
    private static void Enter(Assembler code)
    {
        code.push(rbx);
        code.push(rsi);
        code.mov(rbx, System.OperatingSystem.IsWindows() ? rcx : rdi);
        code.mov(r8, __qword_ptr[rbx + 24]);
        code.mov(r9, __qword_ptr[rbx + 32]);
        code.mov(r10, __qword_ptr[rbx + 40]);
        code.mov(rcx, __qword_ptr[rbx + 56]);
    }

    private static void StartBlock(Assembler code)
    {
        code.mov(rsi, __qword_ptr[rbx]);
        code.mov(rdx, __qword_ptr[rbx + 8]);
        code.mov(r11, __qword_ptr[rbx + 48]);
    }

    private static void NextBlock(Assembler code, Label block, int rows)
    {
        code.add(rax, __qword_ptr[rbx + 64]);
        code.add(r8, __qword_ptr[rbx + 72]);
        code.add(r9, __qword_ptr[rbx + 72]);
        code.add(r10, RowBytes * rows);
        code.dec(rcx);
        code.jnz(block);
        code.vzeroupper();
        code.pop(rsi);
        code.pop(rbx);
        code.ret();
    }

    internal static byte[] Bytes(Assembler code)
    {
        using var stream = new MemoryStream();
        code.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }
}
