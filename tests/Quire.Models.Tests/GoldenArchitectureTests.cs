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
}
