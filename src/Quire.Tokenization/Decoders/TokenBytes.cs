using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Decoders;

/// <summary>The bytes of every token, end to end in one array.</summary>
internal sealed class TokenBytes
{
    private readonly int[] _ends;
    private readonly byte[] _bytes;

    /// <param name="size">One more than the highest id.</param>
    /// <param name="bytesOf">The bytes of an id, empty for an id that stands for nothing.</param>
    public TokenBytes(int size, Func<int, byte[]> bytesOf)
    {
        _ends = new int[size];
        var bytes = new List<byte>(size * 6);
        for (int id = 0; id < size; id++)
        {
            bytes.AddRange(bytesOf(id));
            _ends[id] = bytes.Count;
        }
        _bytes = bytes.ToArray();
    }

    public ReadOnlySpan<byte> Of(int id)
    {
        if ((uint)id >= (uint)_ends.Length)
            return default;
        int start = id == 0 ? 0 : _ends[id - 1];
        return _bytes.AsSpan(start, _ends[id] - start);
    }
}
