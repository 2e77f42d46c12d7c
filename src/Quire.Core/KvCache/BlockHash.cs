namespace Quire.Core.KvCache;

/// <summary>
/// The 256-bit name of a full block: a keyed SHA-256 digest of everything that its keys and values depend on
/// (the digest of the block before it, its tokens, the adapter, the tenant's salt). See <see cref="BlockHasher"/>.
/// </summary>
public readonly record struct BlockHash(ulong Part0, ulong Part1, ulong Part2, ulong Part3)
{
    /// <summary>Bits for a hash table; the digest is uniform already.</summary>
    internal uint Bucket => (uint)Part0;

    public override string ToString() => $"{Part0:x16}{Part1:x16}{Part2:x16}{Part3:x16}";
}
