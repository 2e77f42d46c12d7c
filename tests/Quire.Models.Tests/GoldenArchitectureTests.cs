using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>Tiny random models against what transformers computed for them in float32.</summary>
public class GoldenArchitectureTests
{
    [Theory]
    [InlineData("llama", Backends.Reference)]
    [InlineData("llama", Backends.Cpu)]
    [InlineData("llama-rope3", Backends.Reference)]
    [InlineData("llama-rope3", Backends.Cpu)]
    public void A_reference_model_computes_what_transformers_computes(string model, string backend)
    {
        using IBackend device = Backends.Create(backend);
        GoldenChecks.Matches(TestFolders.Data(model), device);
    }

    [Theory]
    [InlineData("mistral-window", Backends.Reference)]
    [InlineData("mistral-window", Backends.Cpu)]
    [InlineData("qwen2", Backends.Reference)]
    [InlineData("qwen2", Backends.Cpu)]
    [InlineData("qwen3", Backends.Reference)]
    [InlineData("qwen3", Backends.Cpu)]
    [InlineData("phi3", Backends.Reference)]
    [InlineData("phi3", Backends.Cpu)]
    [InlineData("gemma2", Backends.Reference)]
    [InlineData("gemma2", Backends.Cpu)]
    [InlineData("gemma3", Backends.Reference)]
    [InlineData("gemma3", Backends.Cpu)]
    [InlineData("granite", Backends.Reference)]
    [InlineData("granite", Backends.Cpu)]
    [InlineData("olmo2", Backends.Reference)]
    [InlineData("olmo2", Backends.Cpu)]
    [InlineData("mixtral", Backends.Reference)]
    [InlineData("mixtral", Backends.Cpu)]
    [InlineData("qwen3-moe", Backends.Reference)]
    [InlineData("qwen3-moe", Backends.Cpu)]
    [InlineData("opt", Backends.Reference)]
    [InlineData("opt", Backends.Cpu)]
    [InlineData("gpt2", Backends.Reference)]
    [InlineData("gpt2", Backends.Cpu)]
    public void A_shared_reference_model_computes_what_transformers_computes(string model, string backend)
    {
        string folder = TestFolders.Shared("goldens", "architectures", model);
        using IBackend device = Backends.Create(backend);

        // The one checkpoint that is stored as float32 is to be computed in it, not in the bfloat16 that auto would take.
        GoldenChecks.Matches(folder, device, model == "gpt2" ? "float32" : "auto");
    }
}
