using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.Json;
using Quire.Engine.Sampling;

namespace Quire.Engine.Tests.Sampling;

/// <summary>
/// The sampler against 268 recorded cases of vLLM: probabilities within 1e-5, log-probabilities within 1e-4 + 1e-6 · |value|, and which
/// tokens stay, how many, ranks and the greedy token exactly. Where a tie is open in vLLM, any choice of the right number passes.
/// </summary>
public class RecordedDistributionTests
{
    [Fact]
    public void All_recorded_distributions_are_reproduced()
    {
        Assert.Equal(268, SamplingCases.All.Count);
        var runner = new SampleRowRunner();
        var failures = new List<string>();
        foreach (SamplingCases.Case test in SamplingCases.All)
        {
            Assert.Null(runner.Describe(test.Row, out TokenDistribution? distribution));
            foreach (string difference in Differences(test, distribution!))
                failures.Add($"{test.Name}: {difference}");
        }

        Assert.True(failures.Count == 0, string.Join("\n", failures));
    }

    [Fact]
    public void The_lists_that_the_caller_gets_are_those_recorded_in_both_modes()
    {
        var sampler = new Sampler(4096);
        int lists = 0;
        foreach (SamplingCases.Case test in SamplingCases.All.Where(test => test.Expected.TryGetProperty("logprobs", out _)))
        {
            // Two cases drew a token of about one in a million; the test above covers their lists.
            if (test.Expected.TryGetProperty("probs", out JsonElement probs) && Pairs(probs)[test.Row.Sampled!.Value] < 1e-4)
                continue;
            foreach (JsonProperty expected in test.Expected.GetProperty("logprobs").EnumerateObject())
            {
                LogprobsMode mode = expected.Name == "raw" ? LogprobsMode.RawLogprobs : LogprobsMode.ProcessedLogprobs;
                SamplerState state = test.State(key: 0, mode);

                // The recorded token came from another random stream: look for a stream that draws it too.
                for (ulong key = 0; ; key++)
                {
                    Assert.True(key < 200_000, $"{test.Name}: no stream draws {test.Row.Sampled}");
                    state = test.State(key, mode);
                    Assert.Equal(SamplingFault.None, sampler.Sample(test.Logits(), state, out int token, out SampledLogprobs? logprobs));
                    if (token != test.Row.Sampled)
                        continue;
                    string? difference = ListDifference(expected.Value, logprobs!);
                    Assert.True(difference is null, $"{test.Name} {expected.Name}: {difference}");
                    lists++;
                    break;
                }
            }
        }

        Assert.Equal(95, lists);
    }

    [Fact]
    public void The_json_answer_of_a_row_is_the_distribution()
    {
        var runner = new SampleRowRunner();
        foreach (SamplingCases.Case test in SamplingCases.All.Take(40))
        {
            using var stream = new System.IO.MemoryStream();
            using (var writer = new Utf8JsonWriter(stream))
                Assert.Null(runner.Answer(Encoding.UTF8.GetBytes(test.Json), writer));
            using JsonDocument answer = JsonDocument.Parse(stream.ToArray());
            Assert.Equal(test.Expected.GetProperty("kept").GetInt32(), answer.RootElement.GetProperty("kept").GetInt32());
            Dictionary<int, double> probabilities = Pairs(answer.RootElement.GetProperty("probs"));
            Assert.Equal(1.0, probabilities.Values.Sum(), 6);
            if (test.Expected.TryGetProperty("probs", out JsonElement expected))
            {
                foreach ((int id, double probability) in Pairs(expected))
                    Assert.True(Math.Abs(probabilities.GetValueOrDefault(id) - probability) <= 1e-5, $"{test.Name}: {id}");
            }

            Assert.Equal(test.Expected.TryGetProperty("logprobs", out _), answer.RootElement.TryGetProperty("logprobs", out _));
        }
    }

    private static IEnumerable<string> Differences(SamplingCases.Case test, TokenDistribution actual)
    {
        JsonElement expected = test.Expected;
        if (actual.Kept != expected.GetProperty("kept").GetInt32())
            yield return $"kept {actual.Kept}, expected {expected.GetProperty("kept")}";
        if (expected.TryGetProperty("greedy", out JsonElement greedy) && actual.Greedy != greedy.GetInt32())
            yield return $"greedy {actual.Greedy}, expected {greedy}";
        if (expected.TryGetProperty("probs", out JsonElement probs))
        {
            foreach (string difference in ProbabilityDifferences(Pairs(probs), Ties(expected), actual))
                yield return difference;
        }

        JsonElement rank = expected.GetProperty("rank");
        if (actual.Token!.RawRank != rank.GetProperty("raw").GetInt32())
            yield return $"raw rank {actual.Token.RawRank}, expected {rank}";
        if (rank.TryGetProperty("processed", out JsonElement processed) && actual.Token.ProcessedRank != processed.GetInt32())
            yield return $"processed rank {actual.Token.ProcessedRank}, expected {rank}";
        if (!expected.TryGetProperty("logprobs", out JsonElement logprobs))
            yield break;
        if (ListDifference(logprobs.GetProperty("raw"), actual.Token.Raw) is { } rawDifference)
            yield return rawDifference;
        if (logprobs.TryGetProperty("processed", out JsonElement list) && ListDifference(list, actual.Token.Processed) is { } difference2)
            yield return difference2;
    }

    private static IEnumerable<string> ProbabilityDifferences(
        Dictionary<int, double> expected, (HashSet<int> Ids, int Kept) ties, TokenDistribution actual)
    {
        Dictionary<int, double> found = actual.TokenIds.Zip(actual.Probabilities).ToDictionary(pair => pair.First, pair => pair.Second);
        double tied = expected.Where(pair => ties.Ids.Contains(pair.Key)).Select(pair => pair.Value).FirstOrDefault();
        foreach (int id in expected.Keys.Union(found.Keys))
        {
            double probability = found.GetValueOrDefault(id);
            double wanted = ties.Ids.Contains(id) ? (probability > 0 ? tied : 0) : expected.GetValueOrDefault(id);
            if (Math.Abs(probability - wanted) > 1e-5)
                yield return $"p({id}) = {probability}, expected {wanted}";
            if (probability > 1e-30 != wanted > 1e-30)
                yield return $"{id}: {(wanted > 0 ? "missing" : "should have been dropped")}";
        }

        int kept = found.Keys.Count(ties.Ids.Contains);
        if (ties.Ids.Count > 0 && kept != ties.Kept)
            yield return $"{kept} of the tie stay, expected {ties.Kept}";
    }

    /// <summary>Equal values may change places, and ids at −∞ are arbitrary; values and ranks may not differ.</summary>
    private static string? ListDifference(JsonElement expected, SampledLogprobs actual)
    {
        (int Id, double Value, int Rank)[] wanted = expected.EnumerateArray()
            .Select(e => (e[0].GetInt32(), Number(e[1]), e[2].GetInt32()))
            .ToArray();
        (int Id, double Value, int Rank)[] found = Enumerable.Range(0, actual.Count)
            .Select(i => (actual.TokenIds[i], (double)actual.Values[i], actual.Ranks[i])).ToArray();
        if (wanted.Length != found.Length)
            return $"{found.Length} log-probabilities, expected {wanted.Length}";
        if (wanted[0].Id != found[0].Id)
            return $"the first is {found[0].Id}, expected {wanted[0].Id}";
        wanted = wanted.OrderBy(entry => entry.Rank).ToArray();
        found = found.OrderBy(entry => entry.Rank).ToArray();
        for (int i = 0; i < wanted.Length; i++)
        {
            (int id, double value, int rank) = wanted[i];
            if (found[i].Rank != rank)
                return $"rank {found[i].Rank}, expected {rank}";
            if (found[i].Value != value && !(Math.Abs(found[i].Value - value) <= 1e-4 + (1e-6 * Math.Abs(value))))
                return $"rank {rank}: {found[i].Value}, expected {value}";
            bool open = double.IsNegativeInfinity(value) || wanted.Count(other => other.Value == value) > 1 || TiedBeyondTheList(wanted, i);
            if (found[i].Id != id && !open)
                return $"rank {rank}: id {found[i].Id}, expected {id}";
        }

        return null;
    }

    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.Null ? double.NegativeInfinity : value.GetDouble();

    // The last value of a list may be tied with ids that did not get in.
    private static bool TiedBeyondTheList((int Id, double Value, int Rank)[] wanted, int i) => wanted[i].Value == wanted[^1].Value;

    private static (HashSet<int> Ids, int Kept) Ties(JsonElement expected) => expected.TryGetProperty("ties", out JsonElement ties)
        ? (ties.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToHashSet(), ties.GetProperty("kept").GetInt32())
        : ([], 0);

    private static Dictionary<int, double> Pairs(JsonElement pairs) =>
        pairs.EnumerateArray().ToDictionary(pair => pair[0].GetInt32(), pair => pair[1].GetDouble());
}
