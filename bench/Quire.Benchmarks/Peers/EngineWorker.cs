using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine;
using Quire.Engine.Streaming;
using Quire.Inference;

namespace Quire.Benchmarks.Peers;

/// <summary>
/// Quire behind the same line protocol as <c>bench/cpu/llamacpp.mjs</c>: "run PROMPT OUTPUT SEQUENCES" is answered by "FIRST TOTAL
/// TOKENS". Further: "prefix LENGTH QUESTION OUTPUT QUESTIONS" answers by the seconds of questions one after the other behind one prefix,
/// "memory" by the resident bytes of this process, the bytes of them that are not the file's, and the managed heap.
/// </summary>
internal static class EngineWorker
{
    public static async Task<int> RunAsync(string model, int threads, bool prefixCaching)
    {
        var options = new EngineOptions { Threads = threads, MaxModelLen = 2048, EnablePrefixCaching = prefixCaching };
        await using Llm llm = await Llm.LoadAsync(model, options).ConfigureAwait(false);
        var random = new Random(1);
        int vocabulary = llm.Tokenizer.VocabularySize;
        int[] RandomTokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(100, vocabulary - 100))];
        Console.WriteLine("ready");
        while (Console.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            int[] numbers = [.. words.Skip(1).Select(word => int.Parse(word, CultureInfo.InvariantCulture))];
            switch (words[0])
            {
                case "run":
                    int[][] prompts = [.. Enumerable.Range(0, numbers[2]).Select(_ => RandomTokens(numbers[0]))];
                    Console.WriteLine(await GenerateAsync(llm, prompts, numbers[1]).ConfigureAwait(false));
                    break;
                case "prefix":
                    Console.WriteLine(await AskAsync(llm, RandomTokens(numbers[0]), numbers, RandomTokens).ConfigureAwait(false));
                    break;
                case "memory":
                    Console.WriteLine(Memory());
                    break;
                default:
                    return 0;
            }
        }

        return 0;
    }

    private static async Task<string> GenerateAsync(Llm llm, int[][] prompts, int output)
    {
        var sampling = new SamplingParams { MaxTokens = output, Temperature = 0, IgnoreEos = true, Detokenize = false };
        RequestOutput[] outputs = await llm.GenerateAsync(prompts, sampling).ConfigureAwait(false);
        double first = outputs.Min(each => each.Metrics!.TimeToFirstTokenSeconds);
        double total = outputs.Max(each => each.Metrics!.EndToEndSeconds);
        int tokens = outputs.Sum(each => each.Outputs[0].TokenIds.Count);
        return string.Create(CultureInfo.InvariantCulture, $"{first} {total} {tokens}");
    }

    private static async Task<string> AskAsync(Llm llm, int[] prefix, int[] numbers, Func<int, int[]> randomTokens)
    {
        double seconds = 0;
        for (int i = 0; i < numbers[3]; i++)
        {
            string[] run = (await GenerateAsync(llm, [[.. prefix, .. randomTokens(numbers[1])]], numbers[2]).ConfigureAwait(false)).Split(' ');
            seconds += double.Parse(run[1], CultureInfo.InvariantCulture);
        }

        return string.Create(CultureInfo.InvariantCulture, $"{seconds} {seconds} {numbers[2] * numbers[3]}");
    }

    private static string Memory()
    {
        long resident = 0;
        long anonymous = 0;
        foreach (string line in File.ReadLines("/proc/self/smaps_rollup"))
        {
            resident = line.StartsWith("Rss:", StringComparison.Ordinal) ? Kilobytes(line) : resident;
            anonymous = line.StartsWith("Anonymous:", StringComparison.Ordinal) ? Kilobytes(line) : anonymous;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{resident * 1024} {anonymous * 1024} {GC.GetTotalMemory(false)}");
    }

    private static long Kilobytes(string line) =>
        long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
