using System;
using System.Linq;
using Quire.Models.Config;
using Quire.Models.Quantization;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Damaged and unsupported quantised checkpoints: one clear error, before anything is computed.</summary>
public class QuantizedFaultTests
{
    private const string Gptq = """{"quant_method": "gptq", "bits": 4, "group_size": 24, "sym": true, "desc_act": true}""";

    public static TheoryData<string> Formats => new(QuantizedFormats.All.Select(format => format.Name));

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_tensor_that_is_missing_or_of_another_shape_or_type_is_named(string name)
    {
        QuantizedFormat format = QuantizedFormats.All.Single(format => format.Name == name);
        var random = new Random(name.Length * 31 + name[^1]);
        for (int round = 0; round < 6; round++)
        {
            var writer = new QuantizedWriter(round);
            writer.Build(format.Pack, format.IsPlain);

            // g_idx, zero points of symmetric layouts and biases of zeros may be absent; the weights and scales may not.
            string[] needed = [.. writer.Stored.Keys.Where(key => key.Contains("_proj.", StringComparison.Ordinal)
                && (key.Contains("weight", StringComparison.Ordinal) || key.Contains("qw", StringComparison.Ordinal) || key.Contains("scale", StringComparison.Ordinal))
                && !key.Contains("shape", StringComparison.Ordinal) && !key.Contains("g_idx", StringComparison.Ordinal) && !key.Contains("zero", StringComparison.Ordinal))];
            string victim = needed[random.Next(needed.Length)];
            (string type, long[] shape, byte[] bytes) = writer.Stored[victim];
            switch (round % 3)
            {
                case 0:
                    writer.Stored.Remove(victim);
                    break;
                case 1:
                    writer.Stored[victim] = (type, [.. shape, 1, 1, 1], bytes);
                    break;
                default:
                    writer.Stored[victim] = type switch
                    {
                        "I32" => ("F32", shape, bytes),
                        "F16" => ("I16", shape, bytes),
                        "F32" => ("I32", shape, bytes),
                        _ => ("U8", shape, bytes),
                    };
                    break;
            }

            CheckpointException error = Refused(writer, format.File is null ? format.Config : "", format);
            Assert.Equal(CheckpointProblem.WeightMismatch, error.Problem);
            string module = victim[..victim.LastIndexOf('.')];
            Assert.Contains(module.Split('.')[^1], error.Message, StringComparison.Ordinal);
            Assert.Contains(victim[(victim.LastIndexOf('.') + 1)..], error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("g_idx", 9, "holds 9 at 5, but there are 3 groups")]
    [InlineData("g_idx", -1, "holds -1 at 5, but there are 3 groups")]
    public void A_group_that_does_not_exist_is_refused(string ending, int group, string expected)
    {
        QuantizedWriter writer = Build("gptq, 4 bits, group 24, symmetric, act-order, format 1");
        BitConverter.GetBytes(group).CopyTo(writer.Stored[$"model.layers.1.self_attn.k_proj.{ending}"].Bytes, 5 * 4);
        Assert.Contains($"model.layers.1.self_attn.k_proj.{ending} {expected}", Refused(writer, Gptq).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("awq, group 24", "mlp.up_proj.scales", 0x7E00)]
    [InlineData("awq, group 24", "mlp.up_proj.scales", 0x7C00)]
    [InlineData("squeezellm", "mlp.down_proj.lookup_table", 0xFC00)]
    public void Scales_that_are_not_finite_are_refused(string name, string ending, int bits)
    {
        QuantizedWriter writer = Build(name);
        BitConverter.GetBytes((ushort)bits).CopyTo(writer.Stored["model.layers.0." + ending].Bytes, 14);
        string message = Refused(writer, QuantizedFormats.All.Single(format => format.Name == name).Config).Message;
        Assert.Contains($"model.layers.0.{ending} holds ", message, StringComparison.Ordinal);
        Assert.Contains("at 7", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_of_FP8_that_are_NaN_and_scales_of_inputs_that_cannot_be_are_refused()
    {
        const string Name = "fp8, tensor, inputs static";
        string config = QuantizedFormats.All.Single(format => format.Name == Name).Config;
        QuantizedWriter writer = Build(Name);
        writer.Stored["model.layers.0.mlp.down_proj.weight"].Bytes[104 + 3] = 0xFF;
        Assert.Contains("down_proj.weight holds NaN at [1, 3]", Refused(writer, config).Message, StringComparison.Ordinal);
        writer = Build(Name);
        BitConverter.GetBytes(-0.5f).CopyTo(writer.Stored["model.layers.1.self_attn.o_proj.input_scale"].Bytes, 0);
        Assert.Contains("o_proj.input_scale is -0.5", Refused(writer, config).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stated_shape_that_is_not_the_models_is_refused()
    {
        const string Name = "pack-quantized, 4 bits, group 24, symmetric";
        QuantizedWriter writer = Build(Name);
        writer.Stored["model.layers.0.mlp.up_proj.weight_shape"].Bytes[0] = 7;
        string message = Refused(writer, QuantizedFormats.All.Single(format => format.Name == Name).Config).Message;
        Assert.Contains("up_proj.weight_shape says [7, 72], but config.json implies [104, 72]", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"quant_method": "bitsandbytes"}""", "quantization_config.quant_method is 'bitsandbytes'; supported are awq, gptq, fp8, compressed-tensors, squeezellm")]
    [InlineData("""{"bits": 4}""", "quantization_config.quant_method is missing")]
    [InlineData("""{"quant_method": "awq", "bits": 8}""", "quantization_config.bits is 8; AWQ is supported with 4 bits")]
    [InlineData("""{"quant_method": "awq", "bits": 4, "version": "gemv"}""", "quantization_config.version is 'gemv'")]
    [InlineData("""{"quant_method": "gptq", "bits": 3}""", "quantization_config.bits is 3; GPTQ is supported with 4 and 8 bits")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "group_size": 0}""", "quantization_config.group_size is 0")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}""", "checkpoint_format is 'marlin'")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "dynamic": {"-:(": {}}}""", "which is not a regular expression")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "dynamic": {"-:(.|.)*(.|.)*(.|.)*(.|.)*(.|.)*#": {}}}""", "takes too long")]
    [InlineData("""{"quant_method": "fp8", "weight_block_size": [128]}""", "weight_block_size has 1 entries")]
    [InlineData("""{"quant_method": "fp8", "activation_scheme": "sometimes"}""", "activation_scheme is 'sometimes'")]
    [InlineData("""{"quant_method": "compressed-tensors"}""", "config_groups is missing")]
    [InlineData("""{"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "float"}}}}""", "g.weights.num_bits is 4 with type float")]
    [InlineData("""{"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", "strategy": "block"}}}}""", "strategy is 'block'")]
    [InlineData("""{"quant_method": "squeezellm", "wbits": 3}""", "wbits is 3")]
    public void A_method_that_is_not_supported_says_what_is(string config, string expected)
    {
        var writer = new QuantizedWriter(1);
        writer.Build((_, _, _, _) => { }, _ => true);
        Assert.Contains(expected, Refused(writer, config).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Gptq, "awq", "Quantization method specified in the model config (gptq) does not match the quantization method specified in the `quantization` argument (awq).")]
    [InlineData(Gptq, "int8", "does not match")]
    [InlineData("", "awq", "quantization awq needs a checkpoint in that format")]
    [InlineData("", "mystery", "Unknown quantization method: mystery. Must be one of [awq,")]
    [InlineData("", "gguf", "needs a .gguf file")]
    public void A_request_must_agree_with_the_checkpoint(string config, string requested, string expected)
    {
        var parsed = HfConfig.Parse(QuantizedWriter.Config(config));
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => QuantizationMethods.Resolve(parsed, requested)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Gptq, "gptq_marlin", "gptq", true)]
    [InlineData(Gptq, "GPTQ", "gptq", false)]
    [InlineData("""{"quant_method": "awq", "bits": 4}""", "awq_marlin", "awq", true)]
    [InlineData("", "int8", "int8", true)]
    [InlineData("", "fp8", "fp8_per_channel", false)]
    public void Other_names_of_a_method_are_taken(string config, string requested, string method, bool noted)
    {
        QuantizationScheme? scheme = QuantizationMethods.Resolve(HfConfig.Parse(QuantizedWriter.Config(config)), requested);
        Assert.Equal(method, scheme!.Method);
        Assert.Equal(noted, QuantizationMethods.Note(requested, scheme) is not null);
    }

    private static QuantizedWriter Build(string name)
    {
        var writer = new QuantizedWriter(3);
        writer.Build(QuantizedFormats.All.Single(format => format.Name == name).Pack);
        return writer;
    }

    private static CheckpointException Refused(QuantizedWriter writer, string config, QuantizedFormat? format = null)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", QuantizedWriter.Config(config));
        if (format?.File is { } file)
        {
            folder.Write(file, format.Config);
        }

        folder.Write("model.safetensors", writer.File());
        using IBackend backend = Backends.Create(Backends.Cpu);
        return Assert.Throws<CheckpointException>(
            () => DecoderModel.Load(folder.Path, backend, new ModelOptions { MaxBatchedTokens = 32, MaxLogitRows = 32 }).Dispose());
    }
}
