using Quire.Models.Tests.Support;
using Quire.Tensors.Reference;

namespace Quire.Models.Tests;

/// <summary>Tiny random models against what transformers computed for them in float32.</summary>
public class GoldenArchitectureTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("llama-rope3")]
    public void A_reference_model_computes_what_transformers_computes(string name)
    {
        using var backend = new ReferenceBackend();
        GoldenChecks.Matches(TestFolders.Data(name), backend);
    }

    [Theory]
    [InlineData("mistral-window")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("phi3")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("granite")]
    [InlineData("olmo2")]
    public void A_shared_reference_model_computes_what_transformers_computes(string name)
    {
        string folder = TestFolders.Shared("goldens", "architectures", name);
        using var backend = new ReferenceBackend();
        GoldenChecks.Matches(folder, backend);
    }
}
