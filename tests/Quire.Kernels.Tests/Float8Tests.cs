using System;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class Float8Tests
{
    [Fact]
    public void Every_number_of_e4m3_survives_the_way_there_and_back()
    {
        for (int bits = 0; bits < 256; bits++)
        {
            float value = FloatConversions.Float8E4M3ToSingle((byte)bits);
            Assert.Equal(Described(bits), value);
            if (!float.IsNaN(value))
            {
                Assert.Equal(bits, FloatConversions.SingleToFloat8E4M3(value));
                Assert.Equal(value, FloatConversions.RoundToFloat8E4M3(value));
            }
        }
    }

    [Fact]
    public void Others_are_rounded_to_nearest_with_ties_to_even_and_stop_at_448()
    {
        for (int bits = 0; bits < 0x7E; bits++)
        {
            float low = Described(bits);
            float high = Described(bits + 1);
            float middle = (low + high) / 2;
            Assert.Equal(bits % 2 == 0 ? low : high, FloatConversions.RoundToFloat8E4M3(middle));
            Assert.Equal(low, FloatConversions.RoundToFloat8E4M3(MathF.BitDecrement(middle)));
            Assert.Equal(high, FloatConversions.RoundToFloat8E4M3(MathF.BitIncrement(middle)));
            Assert.Equal(-high, FloatConversions.RoundToFloat8E4M3(-MathF.BitIncrement(middle)));
        }

        Assert.Equal(448, FloatConversions.RoundToFloat8E4M3(1e9f));
        Assert.Equal(0xFE, FloatConversions.SingleToFloat8E4M3(float.NegativeInfinity));
        Assert.Equal(0x7F, FloatConversions.SingleToFloat8E4M3(float.NaN) & 0x7F);
        Assert.True(float.IsNaN(FloatConversions.RoundToFloat8E4M3(float.NaN)));
    }

    /// <summary>Sign, four bits of exponent with bias 7, three bits of mantissa.</summary>
    private static float Described(int bits)
    {
        int exponent = (bits >> 3) & 15;
        int mantissa = bits & 7;
        double magnitude = exponent == 0 ? mantissa / 8.0 * Math.Pow(2, -6) : (1 + mantissa / 8.0) * Math.Pow(2, exponent - 7);
        return exponent == 15 && mantissa == 7 ? float.NaN : (float)((bits & 0x80) == 0 ? magnitude : -magnitude);
    }
}
