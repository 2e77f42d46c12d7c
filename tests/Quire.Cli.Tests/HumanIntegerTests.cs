using Quire.Engine.Options;

namespace Quire.Cli.Tests;

public class HumanIntegerTests
{
    [Theory]
    [InlineData("8192", 8192)]
    [InlineData("-1", -1)]
    [InlineData("1k", 1000)]
    [InlineData("25.6k", 25600)]
    [InlineData("1K", 1024)]
    [InlineData("1m", 1_000_000)]
    [InlineData("1M", 1 << 20)]
    [InlineData("2g", 2_000_000_000)]
    [InlineData("2G", 2L << 30)]
    [InlineData("1T", 1L << 40)]
    [InlineData("0.5m", 500_000)]
    public void Lower_case_is_decimal_and_upper_case_binary(string text, long expected)
    {
        Assert.True(HumanInteger.TryParse(text, out long value, out string problem), problem);
        Assert.Equal(expected, value);
    }

    [Fact]
    public void A_fraction_with_a_binary_suffix_names_the_decimal_one()
    {
        Assert.False(HumanInteger.TryParse("25.6K", out _, out string problem));
        Assert.Equal("Decimals are not allowed with binary suffixes like K. Did you mean to use 25.6k instead?", problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("k")]
    [InlineData("1.5")]
    [InlineData("1kk")]
    [InlineData("1x")]
    [InlineData("99999999999999999999")]
    [InlineData("9999999999T")]
    [InlineData("1e3")]
    public void What_is_no_size_is_refused(string text) => Assert.False(HumanInteger.TryParse(text, out _, out _));
}
