using System;
using Quire.Core.Foundation;

namespace Quire.Core.Tests.Foundation;

public class PhiloxTests
{
    /// <summary>The known answers of the Random123 distribution (kat_vectors, philox4x32 with 10 rounds).</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu,
        0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u,
        0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Known_answers(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal(new Philox.Block(x0, x1, x2, x3), Philox.Generate(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void Seed_stream_and_position_fill_key_and_counter()
    {
        Assert.Equal(
            Philox.Generate(0x33333333, 0x44444444, 0x11111111, 0x22222222, 0x55555555, 0x66666666),
            Philox.Generate(seed: 0x6666666655555555, stream: 0x2222222211111111, position: 0x4444444433333333));
    }

    [Fact]
    public void Filling_gives_the_same_numbers_whatever_the_length()
    {
        float[] all = new float[23];
        Philox.FillOpenUniform(7, 1, 100, all);
        for (int length = 0; length < all.Length; length++)
        {
            float[] some = new float[length];
            Philox.FillOpenUniform(7, 1, 100, some);
            Assert.Equal(all[..length], some);
        }
    }

    [Fact]
    public void Uniform_numbers_stay_in_their_interval_and_are_even()
    {
        Assert.True(Philox.OpenUniformSingle(0) > 0f);
        Assert.True(Philox.OpenUniformSingle(uint.MaxValue) < 1f);
        Assert.Equal(0f, Philox.UniformSingle(0));
        Assert.True(Philox.UniformSingle(uint.MaxValue) < 1f);
        double sum = 0;
        for (ulong i = 0; i < 20_000; i++)
        {
            double value = Philox.UniformDouble(42, 0, i);
            Assert.InRange(value, 0.0, Math.BitDecrement(1.0));
            sum += value;
        }

        Assert.Equal(0.5, sum / 20_000, 0.01);
    }

    [Fact]
    public void A_fingerprint_depends_on_values_and_their_order()
    {
        Fingerprint one = default, two = default, three = default;
        one.Add(1);
        one.Add(2);
        two.Add(2);
        two.Add(1);
        three.Add(1);
        three.Add(2);
        Assert.NotEqual(one.Value, two.Value);
        Assert.Equal(one.Value, three.Value);

        // A value that must never change: recorded fingerprints are compared with it between versions.
        Assert.Equal(15720277477918487825UL, one.Value);
    }
}
