using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Quire.Core.KvCache;

/// <summary>
/// Makes block hashes: H(i) = SHA-256(key, H(i − 1) or the seed, adapter, salt (block 0 only), token ids).
/// <para>
/// The tokens of a block are not compared on a hit. Two different inputs with the same digest would be a collision of SHA-256 itself, which nobody
/// has ever found; and since every digest starts with a secret key of this deployment, a tenant cannot even compute the digests of its own guesses.
/// Comparing tokens would add a second copy of every cached token and would not cover adapter and salt.
/// </para>
/// Every field is preceded by its length or has a fixed one, so no two different inputs give the same bytes.
/// </summary>
internal sealed class BlockHasher
{
    private const int HashBytes = 32;
    private const int ParentAt = HashBytes;
    private readonly int _blockSize;
    private readonly byte[] _buffer;
    private readonly int _tokensAt;
    private readonly BlockHash _seed;

    public BlockHasher(int blockSize, ReadOnlySpan<byte> key)
    {
        _blockSize = blockSize;
        _tokensAt = ParentAt + HashBytes;
        _buffer = new byte[_tokensAt + (blockSize * sizeof(int))];
        SHA256.HashData(key, _buffer.AsSpan(0, HashBytes));
        _seed = Digest("quire block chain"u8);
    }

    /// <summary>
    /// What the chain of a request starts from. Adapter and salt go into the start, so they separate every block of the chain.
    /// </summary>
    public BlockHash Start(string? loraName, string? cacheSalt)
    {
        if (loraName is null && cacheSalt is null)
            return _seed;

        byte[] lora = Encoding.UTF8.GetBytes(loraName ?? "");
        byte[] salt = Encoding.UTF8.GetBytes(cacheSalt ?? "");
        byte[] input = new byte[HashBytes + 10 + lora.Length + salt.Length];
        _buffer.AsSpan(0, HashBytes).CopyTo(input);
        int at = HashBytes;
        at = WriteField(input, at, loraName is not null, lora);
        WriteField(input, at, cacheSalt is not null, salt);
        return Digest(input);
    }

    /// <summary>The hash of one full block; allocates nothing.</summary>
    /// <param name="parent">The hash of the block before, or the <see cref="Start"/> of the request.</param>
    /// <param name="tokens">[blockSize]</param>
    public BlockHash Next(in BlockHash parent, ReadOnlySpan<int> tokens)
    {
        Foundation.Invariant.Check(tokens.Length == _blockSize, "only full blocks are hashed");
        Write(_buffer.AsSpan(ParentAt), parent);
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(tokens).CopyTo(_buffer.AsSpan(_tokensAt));
        }
        else
        {
            for (int i = 0; i < tokens.Length; i++)
                BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_tokensAt + (i * sizeof(int))), tokens[i]);
        }

        return Digest(_buffer);
    }

    private static int WriteField(byte[] input, int at, bool present, byte[] value)
    {
        input[at] = present ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(input.AsSpan(at + 1), value.Length);
        value.CopyTo(input, at + 5);
        return at + 5 + value.Length;
    }

    private static BlockHash Digest(ReadOnlySpan<byte> input)
    {
        Span<byte> digest = stackalloc byte[HashBytes];
        SHA256.HashData(input, digest);
        return new BlockHash(
            BinaryPrimitives.ReadUInt64LittleEndian(digest),
            BinaryPrimitives.ReadUInt64LittleEndian(digest[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(digest[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(digest[24..]));
    }

    private static void Write(Span<byte> destination, in BlockHash hash)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, hash.Part0);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], hash.Part1);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], hash.Part2);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], hash.Part3);
    }
}
