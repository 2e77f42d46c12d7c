namespace Quire.Core.KvCache;

/// <summary>Copy the keys and values of a whole block, in every layer, before the step's own tokens are computed.</summary>
public readonly record struct BlockCopy(int Source, int Destination);
