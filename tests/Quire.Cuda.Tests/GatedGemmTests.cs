namespace Quire.Cuda.Tests;

/// <summary>When the product that is joined with its gated activation is used.</summary>
public class GatedGemmTests
{
    private const int Multiprocessors = 132;

    [Theory]
    [InlineData(8192, 14336, true)]
    [InlineData(8190, 14336, true)]
    [InlineData(1024, 14336, true)]
    [InlineData(1024, 8192, true)]
    [InlineData(512, 14336, false)] // few rows: cuBLASLt has smaller tiles
    [InlineData(1024, 2304, false)] // 72 tiles for 66 clusters: the second round is nearly empty
    public void It_is_used_where_tiles_fill_the_device(int rows, int outputs, bool expected) =>
        Assert.Equal(expected, GatedGemm.Pays(rows, outputs, Multiprocessors));

    [Theory]
    [InlineData(1, 8, 1)]
    [InlineData(256, 128, 1)]
    [InlineData(257, 128, 2)]
    [InlineData(8192, 14336, 66)]
    public void No_more_clusters_start_than_there_are_tiles(int rows, int outputs, int expected) =>
        Assert.Equal(expected, GatedGemm.Clusters(rows, outputs, Multiprocessors));
}
