using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Cpu;
using Quire.Engine.Intake;
using Quire.Engine.Options;
using Quire.Models.Lora;

namespace Quire.Engine.Tests;

/// <summary>A tiny model with random weights, and random adapters for it that change every answer.</summary>
internal sealed class TinyLora : IDisposable
{
    private const int Hidden = 32;
    private const int Inner = 64;

    private static readonly (string Name, int In, int Out)[] Modules =
    [
        ("self_attn.q_proj", Hidden, 32), ("self_attn.v_proj", Hidden, 16), ("self_attn.o_proj", 32, Hidden), ("mlp.up_proj", Hidden, Inner), ("mlp.down_proj", Inner, Hidden),
    ];

    private readonly string _root = Directory.CreateTempSubdirectory("quire-lora-").FullName;

    public string Root => _root;

    public string Adapter(int seed, string? name = null, int rank = 4)
    {
        string folder = Path.Combine(_root, name ?? $"adapter-{seed}");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, LoraConfig.FileName), $$"""{"r": {{rank}}, "lora_alpha": {{4 * rank}}, "target_modules": ["q_proj"]}""");
        File.WriteAllBytes(Path.Combine(folder, LoraAdapterReader.WeightsFileName), Weights(new Random(seed), rank));
        return folder;
    }

    public Task<InferenceEngine> StartAsync(Func<EngineOptions, EngineOptions>? configure = null)
    {
        string folder = Path.Combine(_root, "model");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), """
            {
              "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
              "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 128, "max_position_embeddings": 512,
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "dtype": "float32"
            }
            """);
        var options = new EngineOptions
        {
            Model = folder,
            LoadFormat = "dummy",
            SkipTokenizerInit = true,
            KvCacheMemoryBytes = 16 << 20,
            DisableLogStats = true,
            EnableLora = true,
            MaxLoraRank = 8,
        };
        return InferenceEngine.StartAsync(configure?.Invoke(options) ?? options, new CpuBackend(new CpuOptions()), UsageContext.OfflineBatch);
    }

    public static GenerationRequest Request(int seed, string? lora, int promptLength = 20, int maxTokens = 12) => new()
    {
        Prompt = Prompt.FromTokens([.. Enumerable.Range(0, promptLength).Select(i => (seed * 31 + i * 7) % 128)]),
        Sampling = new SamplingParams { Temperature = 0, MaxTokens = maxTokens, IgnoreEos = true },
        Lora = lora,
    };

    public static async Task<IReadOnlyList<int>> TokensAsync(InferenceEngine engine, GenerationRequest request) =>
        (await engine.Submit(request).CompleteAsync()).Outputs[0].TokenIds;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static byte[] Weights(Random random, int rank)
    {
        var header = new StringBuilder("{");
        var data = new MemoryStream();
        foreach (int layer in (ReadOnlySpan<int>)[0, 1])
        {
            foreach ((string name, int inFeatures, int outFeatures) in Modules)
            {
                Add($"base_model.model.model.layers.{layer}.{name}.lora_A.weight", rank, inFeatures);
                Add($"base_model.model.model.layers.{layer}.{name}.lora_B.weight", outFeatures, rank);
            }
        }

        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        return [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. data.ToArray()];

        void Add(string name, int rows, int columns)
        {
            long begin = data.Length;
            for (int i = 0; i < rows * columns; i++)
            {
                data.Write(BitConverter.GetBytes((float)(random.NextDouble() - 0.5)));
            }

            header.Append(header.Length > 1 ? "," : "").Append($$"""
                "{{name}}":{"dtype":"F32","shape":[{{rows}},{{columns}}],"data_offsets":[{{begin}},{{data.Length}}]}
                """);
        }
    }
}
