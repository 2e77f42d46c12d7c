namespace Quire.Cuda.Tests;

/// <summary>How decode attention is spread over the device.</summary>
public class DecodeAttentionTests
{
    private const int Multiprocessors = 132;

    [Theory]
    [InlineData(256, 512, 4)] // all blocks fit at a time
    [InlineData(512, 576, 2)]
    [InlineData(2048, 288, 2)]
    [InlineData(2048, 1024, 4)] // long contexts: what a block costs at its start and end counts more
    public void Short_contexts_in_many_blocks_take_small_blocks(int blocks, int tokens, int expected) =>
        Assert.Equal(expected, DecodeAttention.Warps(blocks, tokens, Multiprocessors));

    [Theory]
    [InlineData(1, 16, 1)]
    [InlineData(8, 1024, 16)]
    [InlineData(2048, 1024, 1)]
    public void Few_sequences_are_split_until_the_device_is_full(int pairs, int context, int expected) =>
        Assert.Equal(expected, DecodeAttention.Splits(pairs, context, Multiprocessors));
}
