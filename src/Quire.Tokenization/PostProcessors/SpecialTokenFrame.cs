namespace Quire.Tokenization.PostProcessors;

/// <summary>What a post-processor puts around one sequence: the ids before it and the ids behind it.</summary>
internal sealed record SpecialTokenFrame(int[] Before, int[] After)
{
    public static readonly SpecialTokenFrame Empty = new([], []);

    /// <summary>This frame inside another, as a <c>Sequence</c> of post-processors nests them.</summary>
    public SpecialTokenFrame Within(SpecialTokenFrame outer) => new([.. outer.Before, .. Before], [.. After, .. outer.After]);
}
