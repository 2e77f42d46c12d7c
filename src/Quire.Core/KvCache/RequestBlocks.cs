using Quire.Core.Foundation;

namespace Quire.Core.KvCache;

/// <summary>
/// The blocks of one request: a table in each group of layers, all of the same length, and the hashes that they share. What a step asks of a request that
/// needs no new block stands here, so that the tables are not touched.
/// </summary>
internal sealed class RequestBlocks
{
    public RequestBlocks(int groups)
    {
        Tables = new BlockTable[groups];
        for (int group = 0; group < groups; group++)
            Tables[group] = new BlockTable();
    }

    /// <summary>One for each group of layers.</summary>
    public BlockTable[] Tables { get; }

    public HashChain Hashes { get; } = new();

    /// <summary>Entries of each table.</summary>
    public int Count { get; private set; }

    /// <summary>The last block, or a mix of the last blocks of all groups.</summary>
    public int LastBlocks { get; private set; }

    /// <summary>Leading blocks that are registered in the prefix index (or were hits, and so are registered), in every group.</summary>
    public int RegisteredCount { get; set; }

    /// <summary>Makes room, so that a running request does not allocate while it decodes.</summary>
    public void Reserve(int blocks, bool withHashes)
    {
        foreach (BlockTable table in Tables)
            table.Reserve(blocks);
        if (withHashes)
            Hashes.Reserve(blocks);
    }

    /// <summary>To be called when blocks were appended to the tables.</summary>
    public void Appended()
    {
        Count = Tables[0].Count;
        LastBlocks = 0;
        foreach (BlockTable table in Tables)
        {
            Invariant.Check(table.Count == Count, "the tables of a request are of different lengths");
            LastBlocks = Count == 0 ? 0 : unchecked(LastBlocks * 31 + table.Blocks[^1]);
        }
    }

    /// <summary>Forgets the blocks; the pool must have been told.</summary>
    public void Clear()
    {
        foreach (BlockTable table in Tables)
            table.Clear();
        Count = 0;
        LastBlocks = 0;
        RegisteredCount = 0;
    }

    /// <summary>Gives the memory back when the request has finished.</summary>
    public void Release()
    {
        Clear();
        foreach (BlockTable table in Tables)
            table.Release();
        Hashes.Release();
    }
}
