using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Quire.Models.Tests.Support;
using Quire.Tensors;

namespace Quire.Models.Tests;

/// <summary>The model that ships with the repository against what transformers computed for it.</summary>
public class QuillTests
{
    [Theory]
    [InlineData(Backends.Reference, 1)]
    [InlineData(Backends.Cpu, 16)]
    public void Quill_gives_prompts_the_log_probabilities_that_transformers_gives_them(string backendName, int prompts)
    {
        string path = TestFolders.Shared("goldens", "quill.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        using IBackend backend = Backends.Create(backendName);
        using DecoderModel model = DecoderModel.Load(
            TestFolders.Quill, backend, new ModelOptions { MaxBatchedTokens = 1024, MaxLogitRows = 64, MaxModelLength = 1024 });

        // The shortest prompts first, because the reference backend is slow.
        foreach (JsonElement golden in document.RootElement.EnumerateArray().OrderBy(x => x.GetProperty("prompt_token_ids").GetArrayLength()).Take(prompts))
        {
            int[] prompt = Golden.Integers(golden.GetProperty("prompt_token_ids"));
            var driver = new ModelDriver(backend, model);
            float[][] logits = driver.StepForAllRows(new Chunk(driver.NewSequence(), prompt));
            double sum = 0;
            for (int i = 1; i < prompt.Length; i++)
            {
                sum += Logits.LogProbability(logits[i - 1], prompt[i]);
            }

            double expected = golden.GetProperty("prompt_logprob_sum").GetDouble();
            Assert.True(Math.Abs(sum - expected) <= 5e-4 * Math.Abs(expected), $"the log-probability of a prompt is {sum} instead of {expected}");
            Assert.Equal(golden.GetProperty("greedy_token_ids")[0].GetInt32(), Logits.ArgMax(logits[^1]));
        }
    }
}
