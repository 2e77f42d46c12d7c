using System;
using System.Buffers.Binary;
using System.Text;

namespace Quire.Models.Gguf;

/// <summary>Reads a mapped GGUF file front to back; every read is checked against the end of the file before it happens.</summary>
internal sealed unsafe class GgufCursor(string file, byte* start, long length)
{
    public long Position { get; private set; }

    public long Remaining => length - Position;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>A count of things that take at least <paramref name="leastBytes"/> each: more than fit into the rest of the file is an error.</summary>
    public long Count(string what, int leastBytes)
    {
        ulong count = UInt64();
        return count <= (ulong)(Remaining / leastBytes)
            ? (long)count
            : throw Malformed($"{what} is {count}, more than the {Remaining} bytes left in the file can hold");
    }

    /// <summary>A length-prefixed UTF-8 text of at most <paramref name="mostBytes"/>.</summary>
    public string Text(string what, int mostBytes)
    {
        long bytes = Count($"the length of {what}", 1);
        if (bytes > mostBytes)
        {
            throw Malformed($"{what} has {bytes} bytes, more than the limit of {mostBytes}");
        }

        return Encoding.UTF8.GetString(Take((int)bytes));
    }

    /// <summary>Passes over <paramref name="count"/> things of <paramref name="size"/> bytes each.</summary>
    public void Skip(string what, long count, int size)
    {
        if (count > Remaining / size)
        {
            throw Malformed($"{what} ends beyond the end of the file");
        }

        Position += count * size;
    }

    /// <summary>Passes over length-prefixed texts.</summary>
    public void SkipTexts(string what, long count)
    {
        for (long i = 0; i < count; i++)
        {
            Skip(what, Count(what, 1), 1);
        }
    }

    public CheckpointException Malformed(string problem) => new(CheckpointProblem.Malformed, $"{file}: {problem}");

    private ReadOnlySpan<byte> Take(int bytes)
    {
        if (bytes > Remaining)
        {
            throw Malformed($"the file ends at byte {length}, within its header: it is truncated");
        }

        var span = new ReadOnlySpan<byte>(start + Position, bytes);
        Position += bytes;
        return span;
    }
}
