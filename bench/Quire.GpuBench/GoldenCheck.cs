using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using Quire.Cuda;
using Quire.Models;

namespace Quire.GpuBench;

/// <summary>
/// Checkpoints with a golden.json of Hugging Face transformers (float32): logits of the prompt's last position, and each greedy token with
/// the reference's own tokens before it. Another token may be chosen only where the two are as near as the roundings of BF16.
/// </summary>
internal static class GoldenCheck
{
    /// <summary>Of the range of the logits: what the roundings of BF16 over a few layers may change.</summary>
    private const double Tolerance = 0.02;

    public static int Run(string[] folders)
    {
        int failures = 0;
        foreach (string folder in folders)
        {
            using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
            JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
            using CudaBackend cuda = Program.Open();
            using DecoderModel model = DecoderModel.Load(
                folder, cuda, new ModelOptions { MaxBatchedTokens = 1024, MaxLogitRows = 16, MaxModelLength = 512, DType = "bfloat16" });
            int[][] tokens = [.. cases.Select(c => Integers(c, "greedy_token_ids"))];
            var run = new TeacherForcedRun(cuda, model, [.. cases.Select(c => Integers(c, "prompt_token_ids"))]);
            double worst = 0;
            int ties = 0;
            int wrong = 0;
            foreach (int step in Enumerable.Range(0, tokens.Max(t => t.Length)))
            {
                float[][] logits = run.Step(step);
                for (int s = 0; s < cases.Length; s++)
                {
                    if (step == 0 && cases[s].TryGetProperty("last_logits", out JsonElement expected))
                    {
                        worst = Math.Max(worst, Distance(logits[s], [.. expected.EnumerateArray().Select(e => e.GetSingle())]));
                    }

                    int right = step < tokens[s].Length ? tokens[s][step] : 0;
                    int chosen = Array.IndexOf(logits[s], logits[s].Max());
                    if (step < tokens[s].Length && chosen != right)
                    {
                        bool near = logits[s][chosen] - logits[s][right] <= Tolerance * (logits[s].Max() - logits[s].Min());
                        ties += near ? 1 : 0;
                        wrong += near ? 0 : 1;
                    }

                    run.Accept(s, right);
                }
            }

            bool good = wrong == 0 && worst <= Tolerance;
            failures += good ? 0 : 1;
            Console.WriteLine(
                $"{(good ? "ok" : "FAILED")} {Path.GetFileName(folder)}: {tokens.Sum(t => t.Length)} tokens, {wrong} wrong, {ties} near ties taken the other way; logits within {worst:P2} of their range");
        }

        return failures == 0 ? 0 : 1;
    }

    /// <summary>The largest difference as a part of the range; 1 where anything is not a number.</summary>
    private static double Distance(float[] actual, float[] expected) =>
        actual.Any(float.IsNaN) ? 1 : expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() / (expected.Max() - expected.Min());

    private static int[] Integers(JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
