using System;
using System.Collections.Generic;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Rope;
using Quire.Models.Tests.Support;
using Quire.Tensors;
using Quire.Tensors.Reference;

namespace Quire.Models.Tests;

/// <summary>
/// Each kind of rotary embedding against numbers from a separate Python transcription of the published formulas, or against a relation
/// that must hold.
/// </summary>
public class RopeTests
{
    private const double Relative = 1e-12;

    [Fact]
    public void Default_frequencies_are_a_geometric_series()
    {
        double[] frequencies = Frequencies(""" "rope_theta": 10000, """, 64, 4096);
        Assert.Equal(32, frequencies.Length);
        Assert.Equal(1, frequencies[0]);
        Near(1e-2, frequencies[16]);
        for (int j = 1; j < 32; j++)
        {
            Near(Math.Exp(-Math.Log(10000) / 32), frequencies[j] / frequencies[j - 1]);
        }
    }

    [Fact]
    public void Linear_scaling_divides_positions()
    {
        using var backend = new ReferenceBackend();
        using var host = new HostMemory();
        RopeTable plain = RopeTableBuilder.Build(Spec(""" "rope_theta": 10000, """, 8), 100, backend, host);
        RopeTable scaled = RopeTableBuilder.Build(
            Spec(""" "rope_theta": 10000, "rope_scaling": {"type": "linear", "factor": 4.0}, """, 8), 400, backend, host);
        for (int position = 0; position < 100; position++)
        {
            for (int j = 0; j < 4; j++)
            {
                Assert.Equal(plain.Cosines.HostRow<float>(position)[j], scaled.Cosines.HostRow<float>(4 * position)[j], 6);
                Assert.Equal(plain.Sines.HostRow<float>(position)[j], scaled.Sines.HostRow<float>(4 * position)[j], 6);
            }
        }
    }

    [Fact]
    public void Dynamic_scaling_takes_the_base_of_the_whole_extended_length()
    {
        const string keys = """ "rope_theta": 10000, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}, """;
        double[] frequencies = Frequencies(keys, 128, 16384);
        const double theta = 135401.97304176545;
        Assert.Equal(1, frequencies[0]);
        Near(Math.Exp(-2.0 / 128 * Math.Log(theta)), frequencies[1]);
        Near(Math.Exp(-126.0 / 128 * Math.Log(theta)), frequencies[63]);
    }

    [Fact]
    public void Llama3_scaling_keeps_high_frequencies_divides_low_ones_and_blends_between()
    {
        const string keys = """
            "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192},
            """;
        AreNear(
            Frequencies(keys, 128, 131072),
            (0, 1.0),
            (20, 0.016560440080994446),
            (28, 0.0032114459947525913),
            (29, 0.002166570763503359),
            (30, 0.0013718935677611381),
            (34, 0.00017850781276799638),
            (36, 7.78465527393245e-05),
            (50, 4.411534674558404e-06),
            (63, 3.068925988914511e-07));
    }

    [Fact]
    public void Yarn_blends_by_the_number_of_rotations()
    {
        const string keys = """
            "rope_theta": 1000000, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            """;
        AreNear(
            Frequencies(keys, 128, 131072),
            (0, 1.0),
            (20, 0.01333521432163324),
            (24, 0.005375321490790102),
            (30, 0.0010643609812470017),
            (39, 6.490394320837028e-05),
            (40, 4.445698525097307e-05),
            (63, 3.102344401879299e-07));
        Near(1.138629436111989, RopeFrequencies.AttentionFactor(Spec(keys, 128)));
    }

    [Fact]
    public void Yarn_without_truncation_blends_between_fractional_ends()
    {
        const string keys = """
            "rope_theta": 1000000, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "truncate": false},
            """;
        AreNear(
            Frequencies(keys, 128, 131072),
            (20, 0.01333521432163324),
            (24, 0.0055172704751341225),
            (30, 0.0010792377416765538),
            (39, 6.187806812450695e-05),
            (63, 3.102344401879299e-07));
    }

    [Theory]
    [InlineData("\"factor\": 40, \"mscale\": 1.0, \"mscale_all_dim\": 0.707", 1.0857263992561355)]
    [InlineData("\"factor\": 4, \"attention_factor\": 1.5", 1.5)]
    [InlineData("\"factor\": 4, \"attention_factor\": 1.5, \"attn_factor\": 2", 3.0)]
    [InlineData("\"factor\": 1", 1.0)]
    [InlineData("\"factor\": 0.5", 1.0)]
    [InlineData("\"factor\": 4, \"mscale\": 0, \"mscale_all_dim\": 0", 1.138629436111989)]
    public void Yarns_attention_factor_follows_what_is_stated(string keys, double expected)
    {
        string config = $$""" "rope_scaling": {"type": "yarn", "original_max_position_embeddings": 4096, {{keys}}}, """;
        Near(expected, RopeFrequencies.AttentionFactor(Spec(config, 64)));
    }

    [Theory]
    [InlineData(4096, 1)]
    [InlineData(4097, 2)]
    [InlineData(131072, 2)]
    public void LongRope_divides_by_the_short_factors_up_to_the_original_length_and_by_the_long_ones_beyond(int length, double divisor)
    {
        const string keys = """
            "original_max_position_embeddings": 4096,
            "rope_scaling": {"type": "su", "short_factor": [1, 1.25, 1.5, 1.75], "long_factor": [2, 2.5, 3, 3.5]},
            """;
        double[] frequencies = Frequencies(keys, 8, length);
        double[] expected = [1 / divisor, 0.1 / (1.25 * divisor), 0.01 / (1.5 * divisor), 0.001 / (1.75 * divisor)];
        for (int j = 0; j < 4; j++)
        {
            Near(expected[j], frequencies[j]);
        }
    }

    [Fact]
    public void LongRopes_attention_factor_grows_with_the_stretch()
    {
        const string keys = """
            "original_max_position_embeddings": 4096, "rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [2]},
            """;
        RopeSpec spec = Spec(keys, 2);
        Near(1.1902380714238083, RopeFrequencies.AttentionFactor(spec with { MaxPositions = 131072 }));
        Near(1, RopeFrequencies.AttentionFactor(spec with { MaxPositions = 4096 }));
        Near(1.25, RopeFrequencies.AttentionFactor(spec with { MaxPositions = 131072, AttentionFactor = 1.25 }));
    }

    [Fact]
    public void Tables_hold_cosines_and_sines_times_the_attention_factor()
    {
        using var backend = new ReferenceBackend();
        using var host = new HostMemory();
        RopeSpec spec = Spec(""" "rope_scaling": {"type": "yarn", "factor": 2.0, "attention_factor": 1.5, "original_max_position_embeddings": 64}, """, 16);
        RopeTable table = RopeTableBuilder.Build(spec, 128, backend, host);
        double[] frequencies = RopeFrequencies.Compute(spec, 128);
        Assert.Equal(128, table.Cosines.Rows);
        for (int position = 0; position < 128; position++)
        {
            for (int j = 0; j < 8; j++)
            {
                Assert.Equal(1.5 * Math.Cos(position * frequencies[j]), (double)table.Cosines.HostRow<float>(position)[j], 2e-7);
                Assert.Equal(1.5 * Math.Sin(position * frequencies[j]), (double)table.Sines.HostRow<float>(position)[j], 2e-7);
            }
        }
    }

    [Theory]
    [InlineData(""" "rope_theta": 5000, "partial_rotary_factor": 0.5, """)]
    [InlineData(""" "rope_parameters": {"rope_theta": 5000, "rope_type": "default", "partial_rotary_factor": 0.5}, """)]
    [InlineData(""" "rope_parameters": {"full_attention": {"rope_theta": 5000, "rope_type": "default", "partial_rotary_factor": 0.5}}, """)]
    [InlineData(""" "rope_theta": 5000, "partial_rotary_factor": 0.5, "rope_scaling": null, """)]
    [InlineData(""" "rope_theta": 5000, "rope_parameters": {"rope_theta": 7, "rope_type": "linear", "factor": 9, "partial_rotary_factor": 0.5}, "rope_scaling": {"type": "default", "partial_rotary_factor": 0.5}, """)]
    public void Old_and_new_spellings_mean_the_same(string keys)
    {
        RopeSpec spec = Spec(keys, 16);
        Assert.Equal(RopeKind.Default, spec.Kind);
        Assert.Equal(5000, spec.Theta);
        Assert.Equal(8, spec.RotaryDim);
    }

    [Theory]
    [InlineData(""" "rope_scaling": {"type": "cubic"}, """, "rope_scaling.type is 'cubic'")]
    [InlineData(""" "rope_scaling": {"type": "linear", "factor": "8"}, """, "rope_scaling.factor must be a number")]
    [InlineData(""" "rope_scaling": {"type": "linear", "factor": -8}, """, "rope_scaling.factor is -8")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 8}, """, "original_max_position_embeddings is missing")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64}, """, "must be above low_freq_factor")]
    [InlineData(""" "rope_scaling": {"type": "longrope", "original_max_position_embeddings": 64, "short_factor": [1], "long_factor": [1, 1]}, """, "short_factor has 1 entries, but the rotary dimension needs 4")]
    [InlineData(""" "rope_scaling": {"type": "longrope", "original_max_position_embeddings": 64, "long_factor": [1, 1, 1, 1]}, """, "short_factor is missing")]
    [InlineData(""" "rope_theta": 0, """, "rope_theta is 0")]
    [InlineData(""" "partial_rotary_factor": 0.1, """, "rotary dimension of 0")]
    [InlineData(""" "partial_rotary_factor": 1.5, """, "partial_rotary_factor is 1.5")]
    [InlineData(""" "rope_scaling": [], """, "rope_scaling must be an object")]
    public void Impossible_parameters_are_refused_with_their_key(string keys, string reason)
    {
        var error = Assert.Throws<CheckpointException>(() => Spec(keys, 8));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static RopeSpec Spec(string keys, int headDim)
    {
        ModelDefinition definition = ArchitectureRegistry.Define(HfConfig.Parse(Configs.TinyLlama(keys, headDim: headDim)), DType.F32);
        return definition.Spec.Layers[0].Rope!;
    }

    private static double[] Frequencies(string keys, int headDim, int maxModelLength) => RopeFrequencies.Compute(Spec(keys, headDim), maxModelLength);

    private static void AreNear(double[] actual, params IEnumerable<(int Index, double Value)> expected)
    {
        foreach ((int index, double value) in expected.ToArray())
        {
            Near(value, actual[index]);
        }
    }

    private static void Near(double expected, double actual) =>
        Assert.True(Math.Abs(expected - actual) <= Relative * Math.Abs(expected), $"{actual} instead of {expected}");
}
