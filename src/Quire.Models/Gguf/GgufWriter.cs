using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Quire.Models.Gguf;

/// <summary>
/// Writes a GGUF file of version 3: keys in the order in which they were set, tensors in the order in which they were declared, so that
/// equal input gives equal bytes.
/// </summary>
internal sealed class GgufWriter : IDisposable
{
    public const int Alignment = 32;

    private readonly MemoryStream _metadata = new();
    private readonly MemoryStream _tensorTable = new();
    private ulong _keys;
    private ulong _tensors;
    private long _offset;

    public void Dispose()
    {
        _metadata.Dispose();
        _tensorTable.Dispose();
    }

    public void Set(string key, string value)
    {
        Key(key, GgufValueType.String);
        Text(_metadata, value);
    }

    public void Set(string key, int value)
    {
        Key(key, GgufValueType.UInt32);
        Put(_metadata, (uint)value);
    }

    public void Set(string key, double value)
    {
        Key(key, GgufValueType.Float32);
        Put(_metadata, BitConverter.SingleToUInt32Bits((float)value));
    }

    public void Set(string key, bool value)
    {
        Key(key, GgufValueType.Bool);
        _metadata.WriteByte(value ? (byte)1 : (byte)0);
    }

    public void Set(string key, IReadOnlyList<string> values)
    {
        ArrayKey(key, GgufValueType.String, values.Count);
        foreach (string value in values)
        {
            Text(_metadata, value);
        }
    }

    public void Set(string key, IReadOnlyList<int> values)
    {
        ArrayKey(key, GgufValueType.Int32, values.Count);
        foreach (int value in values)
        {
            Put(_metadata, (uint)value);
        }
    }

    public void Set(string key, IReadOnlyList<float> values)
    {
        ArrayKey(key, GgufValueType.Float32, values.Count);
        foreach (float value in values)
        {
            Put(_metadata, BitConverter.SingleToUInt32Bits(value));
        }
    }

    /// <summary>Declares a tensor; its data must be written in the same order.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Its element type.</param>
    /// <param name="shape">Outermost dimension first.</param>
    /// <returns>Bytes of its data.</returns>
    public long Declare(string name, GgufType type, IReadOnlyList<long> shape)
    {
        Text(_tensorTable, name);
        Put(_tensorTable, (uint)shape.Count);
        long elements = 1;
        for (int i = shape.Count - 1; i >= 0; i--)
        {
            Put(_tensorTable, (ulong)shape[i]);
            elements = checked(elements * shape[i]);
        }

        Put(_tensorTable, type.Id);
        Put(_tensorTable, (ulong)_offset);
        long bytes = elements / type.BlockLength * type.BlockBytes;
        _offset = checked(_offset + Padded(bytes));
        _tensors++;
        return bytes;
    }

    /// <summary>Writes everything before the data of the tensors.</summary>
    public void WriteHeader(Stream target)
    {
        Put(target, 0x4655_4747u);
        Put(target, 3u);
        Put(target, _tensors);
        Put(target, _keys);
        _metadata.WriteTo(target);
        _tensorTable.WriteTo(target);
        Pad(target, 24 + _metadata.Length + _tensorTable.Length);
    }

    /// <summary>Zeros up to the next multiple of the alignment, behind data of <paramref name="bytes"/>.</summary>
    public static void Pad(Stream target, long bytes)
    {
        for (long i = bytes; i < Padded(bytes); i++)
        {
            target.WriteByte(0);
        }
    }

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private void Key(string key, GgufValueType type)
    {
        Text(_metadata, key);
        Put(_metadata, (uint)type);
        _keys++;
    }

    private void ArrayKey(string key, GgufValueType elementType, int count)
    {
        Key(key, GgufValueType.Array);
        Put(_metadata, (uint)elementType);
        Put(_metadata, (ulong)count);
    }

    private static void Text(Stream target, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        Put(target, (ulong)bytes.Length);
        target.Write(bytes);
    }

    private static void Put(Stream target, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        target.Write(bytes);
    }

    private static void Put(Stream target, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        target.Write(bytes);
    }
}
