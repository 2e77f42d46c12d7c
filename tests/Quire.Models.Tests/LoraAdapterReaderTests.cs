using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Quire.Models.Config;
using Quire.Models.Lora;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;
using Quire.Tensors;

namespace Quire.Models.Tests;

public class LoraAdapterReaderTests
{
    private const string Q = "model.layers.0.self_attn.q_proj";
    private const string V = "model.layers.1.self_attn.v_proj";
    private static readonly LoraTargets Targets = new(Slots(Configs.TinyLlama()));

    [Theory]
    [InlineData("""{"lora_alpha": 4}""", "Missing required configuration fields: {'r', 'target_modules'}")]
    [InlineData("""{"r": 2, "target_modules": []}""", "Missing required configuration fields: {'lora_alpha'}")]
    [InlineData("""{"r": 0, "lora_alpha": 4, "target_modules": []}""", "LoRA rank `r` must be a positive integer, got 0.")]
    [InlineData("""{"r": -3, "lora_alpha": 4, "target_modules": []}""", "LoRA rank `r` must be a positive integer, got -3.")]
    [InlineData("""{"r": 1.5, "lora_alpha": 4, "target_modules": []}""", "adapter_config.json: r must be a whole number, but is 1.5")]
    [InlineData("""{"r": 1e300, "lora_alpha": 4, "target_modules": []}""", "adapter_config.json: r is 1e300, which is not between 1 and 1048576")]
    [InlineData("""{"r": 2, "lora_alpha": "x", "target_modules": []}""", "adapter_config.json: lora_alpha must be a number, but is \"x\"")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": 7}""", "target_modules must be a list of names or a pattern")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "modules_to_save": ["lm_head"]}""", "vLLM only supports modules_to_save being None.")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "use_dora": true}""", "vLLM does not yet support DoRA.")]
    [InlineData("""{"r": 64, "lora_alpha": 4, "target_modules": []}""", "LoRA rank 64 is greater than max_lora_rank 8.")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "rank_pattern": {"q_proj": 64}}""", "LoRA rank 64 is greater than max_lora_rank 8.")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "bias": "all"}""", "Adapter bias is not supported.")]
    [InlineData(
        """{"r": 9, "lora_alpha": 4, "target_modules": [], "bias": "all", "use_dora": true, "modules_to_save": ["a"]}""",
        "vLLM only supports modules_to_save being None. vLLM does not yet support DoRA. LoRA rank 9 is greater than max_lora_rank 8. Adapter bias is not supported.")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "layer_replication": [[0, 1]]}""", "layer_replication changes what the adapter computes and is not supported.")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "peft_type": "IA3"}""", "peft_type is IA3; only LORA can be served")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "rank_pattern": {"q": 0}}""", "adapter_config.json: rank_pattern of q must be a number from 1 to 1048576")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "rank_pattern": [1]}""", "adapter_config.json: rank_pattern must be an object of names and numbers")]
    [InlineData("""{"r": 2, "lora_alpha": 4, "target_modules": [], "alpha_pattern": {"(": 1}}""", "adapter_config.json: alpha_pattern holds '(', which cannot be used as a pattern")]
    [InlineData("""{"r": 2,""", "adapter_config.json is not valid JSON")]
    [InlineData("[]", "adapter_config.json must hold a JSON object")]
    public void A_configuration_that_cannot_be_served_is_refused_in_words(string config, string message)
    {
        using AdapterFolder folder = new AdapterFolder().Write(config, Modules((Q, 2)));
        var error = Assert.Throws<CheckpointException>(() => Load(folder));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_change_nothing_are_ignored()
    {
        const string Extra = """, "modules_to_save": null, "use_dora": false, "bias": "none", "layer_replication": null, "loftq_config": {}, "new_key": [1]""";
        using AdapterFolder folder = new AdapterFolder().Write(AdapterFolder.Config(2, 4, Extra), Modules((Q, 2)));
        Assert.Equal(1, Load(folder).ModuleCount);
    }

    [Fact]
    public void Scales_follow_alpha_rank_and_their_patterns()
    {
        const string Extra = """, "rank_pattern": {"layers.0.self_attn.q_proj": 4}, "alpha_pattern": {"v_proj": 10, "^model.layers.0": 1}""";
        LoraConfig config = Read(AdapterFolder.Config(2, 8, Extra));
        Assert.Equal(4, config.RankOf(Q));
        Assert.Equal(0.25, config.ScaleOf(Q));
        Assert.Equal(2, config.RankOf(V));
        Assert.Equal(5, config.ScaleOf(V));
        Assert.Equal(4, config.ScaleOf("model.layers.1.mlp.up_proj"));

        // A pattern stands for whole parts of a name.
        Assert.Equal(2, Read(AdapterFolder.Config(2, 8, """, "rank_pattern": {"proj": 5}""")).RankOf(Q));
        LoraConfig stabilized = Read(AdapterFolder.Config(4, 8, """, "use_rslora": true"""));
        Assert.Equal(4, stabilized.ScaleOf(Q));
    }

    [Fact]
    public void Factors_come_out_scaled_and_transposed()
    {
        var random = new Random(5);
        Factors factors = Factors.Create(random, 2, 24, 32);
        using AdapterFolder folder = new AdapterFolder().Write(AdapterFolder.Config(2, 6), new Dictionary<string, Factors> { [Q] = factors });
        LoraFactors read = Load(folder).Find(0, 0)!;
        Assert.Equal(factors.A, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(read.A).ToArray());
        float[] b = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(read.B).ToArray();
        Assert.Equal(3 * factors.B[7 * 2 + 1], b[1 * 32 + 7]);
        Assert.Null(Load(folder).Find(0, 1));
    }

    [Fact]
    public void Modules_that_the_model_does_not_have_are_listed()
    {
        using AdapterFolder folder = new AdapterFolder().Write(
            AdapterFolder.Config(2, 4), Modules((Q, 2), ("model.layers.0.self_attn.qkv_proj", 2), ("model.layers.99.mlp.up_proj", 2)));
        var error = Assert.Throws<CheckpointException>(() => Load(folder));
        Assert.Equal(
            $"While loading {folder.Path}, expected target modules in ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] "
            + "but received ['model.layers.0.self_attn.qkv_proj', 'model.layers.99.mlp.up_proj']. Please verify that the loaded LoRA module is correct",
            error.Message);
    }

    [Theory]
    [InlineData("base_model.model.model.embed_tokens.lora_embedding_A", "adapters of embeddings are not supported")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "it belongs to DoRA")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", "adapter bias is not supported")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.weight", "names end with .lora_A.weight or .lora_B.weight")]
    [InlineData("../../../etc/passwd", "names end with")]
    public void Other_tensors_are_refused_with_the_reason(string name, string reason)
    {
        using AdapterFolder folder = new AdapterFolder().Write(AdapterFolder.Config(1, 1), SafetensorsBytes.Floats([(name, [1, 1], [1f])]));
        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => Load(folder)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new[] { 2, 23 }, new[] { 32, 2 }, 1f, "has the shape [2, 23] instead of [2, 24]")]
    [InlineData(new[] { 2, 24 }, new[] { 31, 2 }, 1f, "has the shape [31, 2] instead of [32, 2]")]
    [InlineData(new[] { 3, 24 }, new[] { 32, 3 }, 1f, "has the shape [3, 24] instead of [2, 24]")]
    [InlineData(new[] { 2, 24 }, new[] { 64 }, 1f, "has the shape [64] instead of [32, 2]")]
    [InlineData(new[] { 0, 24 }, new[] { 32, 0 }, 1f, "has the shape [0, 24] instead of [2, 24]")]
    [InlineData(new[] { 2, 24 }, new[] { 32, 2 }, float.NaN, "holds a value that is not finite")]
    [InlineData(new[] { 2, 24 }, new[] { 32, 2 }, float.PositiveInfinity, "holds a value that is not finite")]
    public void Factors_that_do_not_fit_are_refused(int[] a, int[] b, float value, string message)
    {
        using AdapterFolder folder = new AdapterFolder().Write(AdapterFolder.Config(2, 1), SafetensorsBytes.Floats(
        [
            ($"base_model.model.{Q}.lora_A.weight", a, [.. Enumerable.Repeat(value, a.Aggregate(1, (x, y) => x * y))]),
            ($"base_model.model.{Q}.lora_B.weight", b, [.. Enumerable.Repeat(1f, b.Aggregate(1, (x, y) => x * y))]),
        ]));
        Assert.Contains(message, Assert.Throws<CheckpointException>(() => Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_module_an_overflow_and_a_module_under_two_names_are_refused()
    {
        (string, int[], float[]) a = ($"base_model.model.{Q}.lora_A.weight", [1, 24], [.. Enumerable.Repeat(1f, 24)]);
        (string, int[], float[]) b = ($"base_model.model.{Q}.lora_B.weight", [32, 1], [.. Enumerable.Repeat(1e30f, 32)]);
        using AdapterFolder half = new AdapterFolder().Write(AdapterFolder.Config(1, 1), SafetensorsBytes.Floats([a]));
        Assert.Contains("has no lora_B.weight", Assert.Throws<CheckpointException>(() => Load(half)).Message, StringComparison.Ordinal);
        using AdapterFolder large = new AdapterFolder().Write(AdapterFolder.Config(1, 1), SafetensorsBytes.Floats([a, b]));
        Assert.Contains("use lora_dtype float32", Assert.Throws<CheckpointException>(() => Load(large, DType.F16)).Message, StringComparison.Ordinal);
        Assert.Equal(1, Load(large).ModuleCount);
        using AdapterFolder twice = new AdapterFolder().Write(
            AdapterFolder.Config(1, 1), SafetensorsBytes.Floats([a, b, a with { Item1 = $"{Q}.lora_A.weight" }]));
        Assert.Contains("is there twice", Assert.Throws<CheckpointException>(() => Load(twice)).Message, StringComparison.Ordinal);
        using AdapterFolder empty = new AdapterFolder().Write(AdapterFolder.Config(1, 1), SafetensorsBytes.Floats([]));
        Assert.Contains("holds no tensors", Assert.Throws<CheckpointException>(() => Load(empty)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_files_and_pickles_are_told_apart()
    {
        using var folder = new AdapterFolder();
        Assert.Equal(CheckpointProblem.MissingFile, Assert.Throws<CheckpointException>(() => Load(folder)).Problem);
        Assert.Equal(CheckpointProblem.MissingFile, Assert.Throws<CheckpointException>(() => LoraAdapterReader.Load(Path.Combine(folder.Path, "no"), Targets, 8, DType.F32)).Problem);
        folder.Write(LoraConfig.FileName, AdapterFolder.Config(1, 1));
        Assert.Equal(CheckpointProblem.MissingFile, Assert.Throws<CheckpointException>(() => Load(folder)).Problem);
        folder.Write("adapter_model.bin", "x");
        Assert.Contains("pickle", Assert.Throws<CheckpointException>(() => Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_modules_that_were_chosen_get_room()
    {
        var some = new LoraTargets(Slots(Configs.TinyLlama()), ["q_proj", "o_proj"]);
        Assert.Equal(["q_proj", "o_proj"], some.ModuleNames);
        Assert.Equal(4, some.Layers.Count);
        using AdapterFolder folder = new AdapterFolder().Write(AdapterFolder.Config(2, 1), Modules((V, 2)));
        Assert.Contains("expected target modules in ['q_proj', 'o_proj']", Assert.Throws<CheckpointException>(
            () => LoraAdapterReader.Load(folder.Path, some, 8, DType.F32)).Message, StringComparison.Ordinal);
    }

    /// <summary>Damaged files are refused as damaged files, whatever the damage, or load with finite values.</summary>
    [Fact]
    public void Damaged_adapters_never_do_more_than_fail_cleanly()
    {
        int seed = Environment.GetEnvironmentVariable("QUIRE_TEST_SEED") is { } given ? int.Parse(given, System.Globalization.CultureInfo.InvariantCulture) : 20;
        var random = new Random(seed);
        byte[] weights = SafetensorsBytes.Floats(Modules((Q, 2), (V, 2)).SelectMany(pair => new (string, int[], float[])[]
        {
            ($"base_model.model.{pair.Key}.lora_A.weight", [2, pair.Value.In], pair.Value.A),
            ($"base_model.model.{pair.Key}.lora_B.weight", [pair.Value.Out, 2], pair.Value.B),
        }));
        byte[] config = Encoding.UTF8.GetBytes(AdapterFolder.Config(2, 4, """, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {".*v_proj": 3.5}, "use_rslora": true"""));
        using var folder = new AdapterFolder();
        int loaded = 0;
        for (int round = 0; round < 1500; round++)
        {
            folder.Write(Encoding.Latin1.GetString(round % 2 == 0 ? Damage(config, random) : config), round % 2 == 0 ? weights : Damage(weights, random));
            try
            {
                Load(folder);
                loaded++;
            }
            catch (CheckpointException)
            {
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}, round {round}: {exception}");
            }
        }

        Assert.InRange(loaded, 1, 1499);
    }

    private static byte[] Damage(byte[] original, Random random)
    {
        byte[] bytes = [.. original];
        int header = Math.Min(bytes.Length, 700);
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            switch (random.Next(5))
            {
                case 0:
                    bytes[random.Next(header)] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes = bytes[..random.Next(1, bytes.Length)];
                    header = Math.Min(header, bytes.Length);
                    break;
                case 3:
                    bytes[random.Next(header)] = (byte)"0123456789-[]{},:\"e."[random.Next(20)];
                    break;
                default:
                    random.NextBytes(bytes.AsSpan(random.Next(bytes.Length))[..1]);
                    break;
            }
        }

        return bytes;
    }

    private static LoraAdapter Load(AdapterFolder folder, DType type = DType.F32) => LoraAdapterReader.Load(folder.Path, Targets, 8, type);

    private static LoraConfig Read(string config)
    {
        using AdapterFolder folder = new AdapterFolder().Write(LoraConfig.FileName, config);
        return LoraConfig.Load(folder.Path, 8);
    }

    private static Dictionary<string, Factors> Modules(params (string Name, int Rank)[] modules) => modules.ToDictionary(
        module => module.Name,
        module => Factors.Create(new Random(1), module.Rank, 24, module.Name.EndsWith("v_proj", StringComparison.Ordinal) ? 16 : 32));

    private static DecoderSlots Slots(string json) => new(ArchitectureRegistry.Define(HfConfig.Parse(json), DType.F32));
}
