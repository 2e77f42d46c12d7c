using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Cuda.Blas;
using Quire.Cuda.Interop;
using Quire.Cuda.Tests.Support;
using Quire.Tensors;

namespace Quire.Cuda.Tests.Blas;

public class MatmulShapeTests
{
    private static readonly MatmulShape Shape = MatmulShape.Of(3, 5, 8, DType.BF16);

    public static TheoryData<int, string> Wrong => new()
    {
        { 0, "positive" }, { 1, "positive" }, { 2, "positive" }, { 3, "stride" }, { 4, "stride" }, { 5, "stride" },
        { 6, "one type" }, { 7, "one type" }, { 8, "stored as bfloat16 or float32" }, { 9, "stored as bfloat16, float16 or float32" }, { 10, "power of two" },
    };

    [Fact]
    public void Shapes_that_can_be_computed_are_accepted()
    {
        Shape.Validate();
        (Shape with { YType = DType.F32, HasBias = true, Accumulates = true, XStride = 16, Alignment = 4 }).Validate();
        (Shape with { XType = DType.F16, WType = DType.F16, YType = DType.F16 }).Validate();
        (Shape with { XType = DType.F8E4M3, WType = DType.F8E4M3 }).Validate();
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_shape_that_makes_no_sense_is_refused_with_its_field(int which, string word)
    {
        MatmulShape shape = which switch
        {
            0 => Shape with { Rows = 0 },
            1 => Shape with { OutFeatures = -1 },
            2 => Shape with { InFeatures = 0 },
            3 => Shape with { XStride = 7 },
            4 => Shape with { WStride = 7 },
            5 => Shape with { YStride = 4 },
            6 => Shape with { WType = DType.F16 },
            7 => Shape with { XType = DType.I8, WType = DType.I8 },
            8 => Shape with { YType = DType.F16 },
            9 => Shape with { XType = DType.F8E4M3, WType = DType.F8E4M3, YType = DType.F8E4M3 },
            _ => Shape with { Alignment = 12 },
        };
        var error = Assert.Throws<ArgumentException>(shape.Validate);
        Assert.Contains(word, error.Message);
        Assert.Contains(shape.ToString(), error.Message);
    }

    [Theory]
    [InlineData(DType.BF16, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.F32, DType.F32)]
    [InlineData(DType.F8E4M3, DType.F16, DType.F16)]
    [InlineData(DType.F8E4M3, DType.F32, DType.BF16)]
    public void The_bias_has_the_type_that_the_library_takes(DType input, DType output, DType bias) =>
        Assert.Equal(bias, (Shape with { XType = input, WType = input, YType = output }).BiasType);

    [Fact]
    public void Shapes_that_differ_have_names_that_differ()
    {
        MatmulShape[] shapes =
        [
            Shape, Shape with { Rows = 4 }, Shape with { OutFeatures = 4 }, Shape with { InFeatures = 4 }, Shape with { XStride = 9 },
            Shape with { WStride = 9 }, Shape with { YStride = 9 }, Shape with { XType = DType.F16 }, Shape with { WType = DType.F16 },
            Shape with { YType = DType.F32 }, Shape with { HasBias = true }, Shape with { Accumulates = true }, Shape with { FastAccumulation = true },
            Shape with { Alignment = 64 },
        ];
        Assert.Equal(shapes.Length, shapes.Select(shape => shape.ToString()).Distinct().Count());
        Assert.All(shapes, shape => Assert.DoesNotContain(' ', shape.ToString()));
    }

    [Fact]
    public void A_known_shape_is_looked_up_without_allocation()
    {
        var plans = new Dictionary<MatmulShape, string> { [Shape] = "plan" };
        Assert.True(plans.ContainsKey(Shape));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            plans.TryGetValue(Shape with { Rows = i }, out _);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Trials_are_remembered_for_their_card_and_library_only()
    {
        using var folder = new TemporaryFolder();
        var file = new TuningFile(folder.Path, "card, driver, library 1");
        Assert.False(file.TryFind(Shape, out _));
        file.Remember(Shape, Algorithm(1), 12.5);
        new TuningFile(folder.Path, "card, driver, library 1").Remember(Shape with { Rows = 9 }, Algorithm(2), 1);
        file.Remember(Shape with { Rows = 7 }, Algorithm(3), 1);

        var again = new TuningFile(folder.Path, "card, driver, library 1");
        Assert.Equal(Algorithm(1), Found(again, Shape));
        Assert.Equal(Algorithm(2), Found(again, Shape with { Rows = 9 }));
        Assert.Equal(Algorithm(3), Found(again, Shape with { Rows = 7 }));
        Assert.False(new TuningFile(folder.Path, "card, driver, library 2").TryFind(Shape, out _));
    }

    [Fact]
    public void A_damaged_line_is_not_used()
    {
        string line = TuningFile.FormatLine(Shape, Algorithm(1), 12.5);
        Assert.True(TuningFile.TryParse(line, out string shape, out MatmulAlgo algorithm));
        Assert.Equal(Shape.ToString(), shape);
        Assert.Equal(Algorithm(1), algorithm);
        for (int i = 0; i < line.Length; i++)
        {
            char[] damaged = line.ToCharArray();
            damaged[i] = damaged[i] == '1' ? '2' : '1';
            Assert.False(TuningFile.TryParse(new string(damaged), out _, out _), $"character {i}");
            Assert.False(TuningFile.TryParse(line[..i], out _, out _), $"{i} characters");
        }
    }

    private static unsafe MatmulAlgo Algorithm(ulong seed)
    {
        MatmulAlgo algorithm = default;
        for (int i = 0; i < 8; i++)
        {
            algorithm.Data[i] = seed * 0x9E37_79B9_7F4A_7C15 + (ulong)i;
        }

        return algorithm;
    }

    private static MatmulAlgo Found(TuningFile file, MatmulShape shape)
    {
        Assert.True(file.TryFind(shape, out MatmulAlgo algorithm));
        return algorithm;
    }
}
