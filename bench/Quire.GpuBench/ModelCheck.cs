using System;
using System.Linq;
using Quire.Cpu;
using Quire.Cuda;
using Quire.Models;

namespace Quire.GpuBench;

/// <summary>
/// A checkpoint on the CPU in F32 and on the GPU in BF16, token for token: prompts in chunks mixed with decodes, in shuffled blocks. The
/// logits may differ by what BF16 loses; the greedy token has to be the same where the CPU's two best are further apart than that.
/// </summary>
internal static class ModelCheck
{
    public static int Run(string[] arguments)
    {
        int failures = 0;
        foreach (string folder in arguments)
        {
            using CudaBackend cuda = Program.Open();
            using var cpu = new CpuBackend();
            var options = new ModelOptions { MaxBatchedTokens = 512, MaxLogitRows = 16, MaxModelLength = 512 };
            using DecoderModel onCpu = DecoderModel.Load(folder, cpu, options with { DType = "float32" });
            using DecoderModel onGpu = DecoderModel.Load(folder, cuda, options with { DType = "bfloat16" });
            var random = new Random(Environment.TickCount);
            int[] lengths = [1, 17, 90, 200];
            int[][] prompts = lengths.Select(n => Enumerable.Range(0, n).Select(_ => random.Next(onCpu.Spec.VocabularySize)).ToArray()).ToArray();
            var cpuRun = new TeacherForcedRun(cpu, onCpu, prompts);
            var gpuRun = new TeacherForcedRun(cuda, onGpu, prompts);
            double worst = 0;
            int flips = 0;
            int steps = 0;

            // Prompts in two chunks, the first of them alone, then decodes that follow the CPU's choice.
            foreach (int step in Enumerable.Range(0, 40))
            {
                float[][] expected = cpuRun.Step(step);
                float[][] actual = gpuRun.Step(step);
                for (int s = 0; s < expected.Length; s++)
                {
                    float range = expected[s].Max() - expected[s].Min();
                    double error = expected[s].Zip(actual[s], (a, b) => Math.Abs(a - b)).Max() / range;
                    error = actual[s].Any(float.IsNaN) ? double.NaN : error;
                    worst = double.IsNaN(error) || error > worst ? error : worst;
                    int best = Array.IndexOf(expected[s], expected[s].Max());
                    int chosen = Array.IndexOf(actual[s], actual[s].Max());
                    flips += chosen != best && (expected[s][best] - expected[s][chosen]) / range > 0.03 ? 1 : 0;
                    steps++;
                    cpuRun.Accept(s, best);
                    gpuRun.Accept(s, best);
                }
            }

            bool good = worst < 0.05 && flips == 0;
            failures += good ? 0 : 1;
            Console.WriteLine($"{(good ? "ok" : "FAILED")} {folder}: {steps} rows, largest difference {worst:P2} of the range, {flips} other tokens");
        }

        return failures == 0 ? 0 : 1;
    }
}
