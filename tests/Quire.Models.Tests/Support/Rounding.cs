using System;
using System.Linq;

namespace Quire.Models.Tests.Support;

/// <summary>How quantised checkpoints want inputs rounded, in doubles.</summary>
internal static class Rounding
{
    public static Func<double[], double[]>? Int8(string kind, bool symmetric, float scale, int zero) => kind switch
    {
        "none" => null,
        "static" => x => [.. x.Select(value => (Math.Clamp(Math.Round(value / scale) + zero, -128, 127) - zero) * scale)],
        _ => x =>
        {
            double least = Math.Min(0, x.Min());
            double greatest = Math.Max(0, x.Max());
            double s = symmetric ? Math.Max(greatest, -least) / 127 : (greatest - least) / 255;
            double z = symmetric ? 0 : Math.Clamp(Math.Round(-128 - least / s), -128, 127);
            return [.. x.Select(value => (Math.Clamp(Math.Round(value / s) + z, -128, 127) - z) * s)];
        }
        ,
    };

    public static Func<double[], double[]>? Float8(string kind, int group, float scale) => kind switch
    {
        "none" => null,
        "static" => x => [.. x.Select(value => ToE4M3(value / scale) * scale)],
        _ => x => [.. x.Chunk(group == 0 ? x.Length : group).SelectMany(part =>
        {
            double s = Math.Max(part.Max(Math.Abs) / 448, 1.0 / (448 * 512));
            return part.Select(value => ToE4M3(value / s) * s);
        })],
    };

    /// <summary>Sign, four bits of exponent with bias 7, three of mantissa.</summary>
    public static double FromE4M3(int bits)
    {
        int exponent = (bits >> 3) & 15;
        double magnitude = exponent == 0 ? (bits & 7) / 512.0 : (8 + (bits & 7)) * Math.Pow(2, exponent - 10);
        return (bits & 128) == 0 ? magnitude : -magnitude;
    }

    private static double ToE4M3(double value)
    {
        double magnitude = Math.Min(Math.Abs(value), 448);
        double unit = Math.Pow(2, Math.Max(Math.Floor(Math.Log2(Math.Max(magnitude, 1e-30))), -6) - 3);
        return Math.Sign(value) * Math.Min(448, Math.Round(magnitude / unit) * unit);
    }
}
