using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Iced.Intel;

namespace Quire.Kernels.Tests;

/// <summary>
/// Interprets assembled kernels one instruction at a time, so that they are tested on processors that lack their instructions (Intel SDM
/// volume 2). It knows the instructions that our kernels use, on vectors of 512 bits without masks, and fails at any other.
/// </summary>
internal sealed unsafe class Emulator(byte[] code)
{
    private const int Lanes = 16;
    private const int VectorRegisters = 32;
    private const int StackBytes = 256;

    private readonly Dictionary<ulong, Instruction> _instructions = Decode(code);
    private readonly ulong[] _registers = new ulong[16];
    private readonly uint[] _vectors = new uint[VectorRegisters * Lanes];
    private readonly ulong[] _stack = new ulong[StackBytes / 8];
    private bool _zero;

    /// <summary>Calls the code as a function of one argument by the convention of the system.</summary>
    public void Call(nint argument)
    {
        fixed (ulong* stack = _stack)
        {
            ulong top = (ulong)(stack + _stack.Length);
            for (int i = 0; i < _registers.Length; i++)
            {
                _registers[i] = 0xDEAD_0000_0000_0000 | (uint)i;
            }

            ulong[] before = [.. _registers];
            Number(OperatingSystem.IsWindows() ? Register.RCX : Register.RDI) = (ulong)argument;
            Number(Register.RSP) = top;
            ulong next = 0;
            while (true)
            {
                Instruction instruction = _instructions[next];
                if (instruction.Mnemonic == Mnemonic.Ret)
                {
                    break;
                }

                next = instruction.NextIP;
                if (instruction.Mnemonic == Mnemonic.Jne)
                {
                    next = _zero ? next : instruction.NearBranchTarget;
                    continue;
                }

                Execute(in instruction);
            }

            // What every convention asks to keep, on either system.
            Assert.Equal(top, Number(Register.RSP));
            foreach (Register kept in (Register[])[Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15])
            {
                Assert.Equal(before[kept - Register.RAX], Number(kept));
            }
        }
    }

    private static Dictionary<ulong, Instruction> Decode(byte[] code)
    {
        var instructions = new Dictionary<ulong, Instruction>();
        var decoder = Decoder.Create(64, code);
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            instructions.Add(instruction.IP, instruction);
        }

        return instructions;
    }

    private ref ulong Number(Register register) => ref _registers[register.GetFullRegister() - Register.RAX];

    private Span<uint> Vector(Register register) => _vectors.AsSpan((register - Register.ZMM0) * Lanes, Lanes);

    private byte* Address(in Instruction instruction) =>
        (byte*)(Number(instruction.MemoryBase) + instruction.MemoryDisplacement64);

    private void Execute(in Instruction instruction)
    {
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Push:
                Number(Register.RSP) -= 8;
                *(ulong*)Number(Register.RSP) = Number(instruction.Op0Register);
                break;
            case Mnemonic.Pop:
                Number(instruction.Op0Register) = *(ulong*)Number(Register.RSP);
                Number(Register.RSP) += 8;
                break;
            case Mnemonic.Mov:
                Number(instruction.Op0Register) = Operand64(in instruction);
                break;
            case Mnemonic.Add:
                Number(instruction.Op0Register) += Operand64(in instruction);
                break;
            case Mnemonic.Dec:
                _zero = --Number(instruction.Op0Register) == 0;
                break;
            case Mnemonic.Vzeroupper:
                break;
            case Mnemonic.Vmovups or Mnemonic.Vmovdqu32 when instruction.Op0Kind == OpKind.Memory:
                Vector(instruction.Op1Register).CopyTo(new Span<uint>(Address(in instruction), Lanes));
                break;
            default:
                ExecuteVector(in instruction);
                break;
        }
    }

    private ulong Operand64(in Instruction instruction) => instruction.Op1Kind switch
    {
        OpKind.Register => Number(instruction.Op1Register),
        OpKind.Memory => *(ulong*)Address(in instruction),
        _ => instruction.GetImmediate(1),
    };

    private void ExecuteVector(in Instruction instruction)
    {
        Span<uint> target = Vector(instruction.Op0Register);
        Span<uint> a = stackalloc uint[Lanes];
        Span<uint> b = stackalloc uint[Lanes];
        if (instruction.Mnemonic == Mnemonic.Vcvtph2ps)
        {
            var halves = new ReadOnlySpan<Half>(Address(in instruction), Lanes);
            for (int i = 0; i < Lanes; i++)
            {
                target[i] = BitConverter.SingleToUInt32Bits((float)halves[i]);
            }

            return;
        }

        bool three = instruction.OpCount >= 3;
        if (instruction.Mnemonic is Mnemonic.Vpmovzxbd or Mnemonic.Vpmovsxbd)
        {
            byte* bytes = Address(in instruction);
            for (int i = 0; i < Lanes; i++)
            {
                target[i] = instruction.Mnemonic == Mnemonic.Vpmovzxbd ? bytes[i] : (uint)(sbyte)bytes[i];
            }

            return;
        }

        Load(in instruction, 1, a);
        if (three)
        {
            Load(in instruction, 2, b);
        }

        for (int i = 0; i < Lanes; i++)
        {
            target[i] = Lane(in instruction, target[i], a[i], b[i]);
        }
    }

    private void Load(in Instruction instruction, int operand, Span<uint> values)
    {
        switch (instruction.GetOpKind(operand))
        {
            case OpKind.Memory when instruction.IsBroadcast || instruction.Mnemonic == Mnemonic.Vpbroadcastd:
                values.Fill(*(uint*)Address(in instruction));
                break;
            case OpKind.Memory:
                new ReadOnlySpan<uint>(Address(in instruction), Lanes).CopyTo(values);
                break;
            case OpKind.Register when instruction.GetOpRegister(operand).IsZMM():
                Vector(instruction.GetOpRegister(operand)).CopyTo(values);
                break;
            case OpKind.Register:
                values.Fill((uint)Number(instruction.GetOpRegister(operand)));
                break;
            default:
                values.Fill((uint)instruction.GetImmediate(operand));
                break;
        }
    }

    private static uint Lane(in Instruction instruction, uint target, uint a, uint b)
    {
        static float F(uint bits) => BitConverter.UInt32BitsToSingle(bits);
        static uint U(float value) => BitConverter.SingleToUInt32Bits(value);
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Vmovups or Mnemonic.Vmovdqu32 or Mnemonic.Vpbroadcastd:
                return a;
            case Mnemonic.Vpxord:
                return a ^ b;
            case Mnemonic.Vpandd:
                return a & b;
            case Mnemonic.Vpslld:
                return a << (int)b;
            case Mnemonic.Vpsrlw:
                return Words(a, word => (ushort)((ushort)word >> (int)b));
            case Mnemonic.Vpsllw:
                return Words(a, word => (ushort)(word << (int)b));
            case Mnemonic.Vpsraw:
                return Words(a, word => (ushort)(word >> (int)b));
            case Mnemonic.Vpternlogd:
                Assert.Equal(0xF8, instruction.Immediate8);
                return target | (a & b);
            case Mnemonic.Vpmulld:
                return a * b;
            case Mnemonic.Vcvtdq2ps:
                return U((int)a);
            case Mnemonic.Vmulps:
                return U(F(a) * F(b));
            case Mnemonic.Vaddps:
                return U(F(a) + F(b));
            case Mnemonic.Vfmadd231ps:
                return U(MathF.FusedMultiplyAdd(F(a), F(b), F(target)));
            case Mnemonic.Vfmadd213ps:
                return U(MathF.FusedMultiplyAdd(F(a), F(target), F(b)));
            case Mnemonic.Vfnmadd213ps:
                return U(MathF.FusedMultiplyAdd(-F(a), F(target), F(b)));
            case Mnemonic.Vpdpbusd:
                for (int i = 0; i < 32; i += 8)
                {
                    target += (uint)((byte)(a >> i) * (sbyte)(b >> i));
                }

                return target;
            case Mnemonic.Vpdpwssd:
                return target + (uint)((short)a * (short)b) + (uint)((short)(a >> 16) * (short)(b >> 16));
            default:
                throw new NotSupportedException(instruction.ToString());
        }
    }

    private static uint Words(uint value, Func<short, ushort> shift) => shift((short)value) | (uint)shift((short)(value >> 16)) << 16;
}

/// <summary>Kernels as functions that interpret them.</summary>
internal sealed class EmulatedKernels
{
    private readonly List<Kernel> _kernels = [];

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void Kernel(nint argument);

    /// <summary>The address of a function that interprets the code; valid as long as this object.</summary>
    public nint Add(byte[] code)
    {
        Kernel kernel = argument => new Emulator(code).Call(argument);
        _kernels.Add(kernel);
        return Marshal.GetFunctionPointerForDelegate(kernel);
    }
}
