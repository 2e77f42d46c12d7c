using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

namespace Quire.Benchmarks.Peers;

/// <summary>
/// Quire beside llama.cpp: the same file, both processes alive, one measurement of each in turn, medians and their ratio. A ratio above 1
/// says that Quire is faster.
/// </summary>
internal static class PeersCommand
{
    private const string Usage = """
        usage: Quire.Benchmarks peers NODE_FOLDER SCRATCH_FOLDER [--formats q8_0,q4_0,q4_k_m,q5_k_m,q6_k,bf16,...] [--shape llama-1.1b|llama-160m] [--model FILE.gguf]
                   [--scenarios prefill,decode,batch8,batch32,start,memory,prefix] [--rounds 5] [--threads 2]
        NODE_FOLDER holds node_modules/node-llama-cpp; "-" measures Quire alone. --model takes a file instead of random weights.
        """;

    /// <summary>Prompt, output and sequences of a scenario, and what its rate counts.</summary>
    private static readonly Dictionary<string, (int Prompt, int Output, int Sequences, Func<double[], double> Rate)> Scenarios = new()
    {
        ["prefill"] = (512, 1, 1, run => 512 / run[0]),
        ["decode"] = (16, 48, 1, run => (run[2] - 1) / (run[1] - run[0])),
        ["batch8"] = (32, 48, 8, run => run[2] / run[1]),
        ["batch32"] = (32, 48, 32, run => run[2] / run[1]),
    };

    public static int Run(string[] arguments)
    {
        if (arguments.Length < 2)
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        string shape = "llama-1.1b";
        string[] formats = ["q8_0", "q4_0", "bf16"];
        string[] scenarios = ["prefill", "decode", "batch8"];
        string? model = null;
        int rounds = 5;
        int threads = 2;
        for (int i = 2; i < arguments.Length; i += 2)
        {
            string value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            switch (arguments[i])
            {
                case "--shape" when RandomGguf.Shapes.ContainsKey(value):
                    shape = value;
                    break;
                case "--formats" when value.Split(',').All(RandomGguf.Knows):
                    formats = value.Split(',');
                    break;
                case "--scenarios" when value.Split(',').All(each => Scenarios.ContainsKey(each) || each is "start" or "memory" or "prefix"):
                    scenarios = value.Split(',');
                    break;
                case "--model" when File.Exists(value):
                    model = value;
                    break;
                case "--rounds" when int.TryParse(value, CultureInfo.InvariantCulture, out rounds) && rounds > 0:
                case "--threads" when int.TryParse(value, CultureInfo.InvariantCulture, out threads) && threads > 0:
                    break;
                default:
                    Console.Error.WriteLine($"{arguments[i]} {value} is not understood\n{Usage}");
                    return 2;
            }
        }

        Console.WriteLine("| model | scenario | Quire | llama.cpp | ratio |");
        Console.WriteLine("|---|---|---|---|---|");
        var bench = new Bench(arguments[0], threads, rounds);
        foreach (string file in model is null ? formats.Select(format => Random(arguments[1], shape, format)) : [model])
        {
            bench.Measure(file, scenarios);
        }

        return 0;
    }

    private static string Random(string folder, string shape, string format)
    {
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, $"{shape}.{format}.gguf");
        RandomGguf.Make(file, shape, format);
        return file;
    }

    private sealed class Bench(string nodeFolder, int threads, int rounds)
    {
        private readonly bool _hasPeer = nodeFolder != "-";

        public void Measure(string file, string[] scenarios)
        {
            string[] rates = [.. scenarios.Where(Scenarios.ContainsKey)];
            if (rates.Length > 0 || scenarios.Contains("memory"))
            {
                using PeerProcess quire = Quire(file);
                using PeerProcess? peer = rates.Length > 0 ? Peer(file) : null;
                foreach (string scenario in rates)
                {
                    Rate(file, scenario, quire, peer);
                }

                if (scenarios.Contains("memory"))
                {
                    double[] memory = quire.Ask("memory");
                    Print(file, "memory", Invariant($"{memory[0] / 1e6:F0} MB resident, {memory[1] / 1e6:F0} MB not the file's"), "", "");
                }
            }

            if (scenarios.Contains("start"))
            {
                Start(file);
            }

            if (scenarios.Contains("prefix"))
            {
                Prefix(file);
            }
        }

        private void Rate(string file, string scenario, PeerProcess quire, PeerProcess? peer)
        {
            (int prompt, int output, int sequences, Func<double[], double> rate) = Scenarios[scenario];
            string line = $"run {prompt} {output} {sequences}";
            string warmUp = $"run {Math.Min(prompt, 64)} 4 {sequences}";
            quire.Ask(warmUp);
            peer?.Ask(warmUp);
            var ours = new List<double>();
            var theirs = new List<double>();
            for (int i = 0; i < rounds; i++)
            {
                ours.Add(rate(quire.Ask(line)));
                if (peer is not null)
                {
                    theirs.Add(rate(peer.Ask(line)));
                }
            }

            double median = Median(ours);
            Print(file, $"{scenario}, tokens/s", Invariant($"{median:F1}"), peer is null ? "" : Invariant($"{Median(theirs):F1}"),
                peer is null ? "" : Invariant($"{median / Median(theirs):F2}"));
        }

        /// <summary>From the start of the process to the first token of a short prompt, from the page cache.</summary>
        private void Start(string file)
        {
            var ours = new List<double>();
            var theirs = new List<double>();
            for (int i = 0; i < rounds; i++)
            {
                using (PeerProcess quire = Quire(file))
                {
                    ours.Add(quire.StartSeconds + quire.Ask("run 4 1 1")[0]);
                }

                if (_hasPeer)
                {
                    using PeerProcess peer = Peer(file)!;
                    theirs.Add(peer.StartSeconds + peer.Ask("run 4 1 1")[0]);
                }
            }

            double median = Median(ours);
            Print(file, "start to first token, s", Invariant($"{median:F2}"), _hasPeer ? Invariant($"{Median(theirs):F2}") : "",
                _hasPeer ? Invariant($"{Median(theirs) / median:F2}") : "");
        }

        private void Prefix(string file)
        {
            const string Line = "prefix 1500 24 8 16";
            double[] seconds = new double[2];
            for (int i = 0; i < 2; i++)
            {
                using PeerProcess quire = Quire(file, prefixCaching: i == 0);
                quire.Ask("run 64 4 1");
                seconds[i] = quire.Ask(Line)[0];
            }

            Print(file, "16 questions behind 1,500 tokens, s", Invariant($"{seconds[0]:F1} with prefix caching"), Invariant($"{seconds[1]:F1} without"),
                Invariant($"{seconds[1] / seconds[0]:F1}"));
        }

        private PeerProcess Quire(string file, bool prefixCaching = true) => PeerProcess.Start("dotnet",
            [typeof(PeersCommand).Assembly.Location, "peer-worker", file, Invariant($"{threads}"), prefixCaching ? "on" : "off"]);

        private PeerProcess? Peer(string file) => _hasPeer
            ? PeerProcess.Start("node", [Path.Combine("bench", "cpu", "llamacpp.mjs"), Path.GetFullPath(nodeFolder), Path.GetFullPath(file), Invariant($"{threads}")])
            : null;

        private static void Print(string file, string scenario, string ours, string theirs, string ratio) =>
            Console.WriteLine($"| {Path.GetFileNameWithoutExtension(file)} | {scenario} | {ours} | {theirs} | {ratio} |");

        private static double Median(List<double> values)
        {
            double[] sorted = [.. values.Order()];
            return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
        }

        private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
    }
}
