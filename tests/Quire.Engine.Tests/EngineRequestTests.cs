using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Quire.Core.Requests;
using Quire.Engine.Intake;
using Quire.Engine.Streaming;

namespace Quire.Engine.Tests;

/// <summary>One engine for all tests of the class: requests do not disturb each other, which is a part of what is tested.</summary>
public sealed class QuillEngine : IAsyncLifetime
{
    public InferenceEngine Engine { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Engine = await TestModels.StartQuillAsync(options => options with { MaxNumSeqs = 16, MaxModelLen = 512 });

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}

/// <summary>What each parameter of a request does, from text to text.</summary>
public class EngineRequestTests(QuillEngine fixture) : IClassFixture<QuillEngine>
{
    private const string Count = "<|im_start|>user\nCount from 3 to 12.<|im_end|>\n<|im_start|>assistant\n";

    private readonly InferenceEngine _engine = fixture.Engine;

    [Fact]
    public async Task A_stop_string_ends_the_text_before_it()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 60, Stop = [", 7"] });
        Assert.Equal("3, 4, 5, 6", output.Text);
        Assert.Equal(FinishReason.Stop, output.FinishReason);
        Assert.Equal(", 7", output.StopReason.Text);
    }

    [Fact]
    public async Task A_stop_string_can_stay_in_the_text()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 60, Stop = [", 7"], IncludeStopStrInOutput = true });
        Assert.Equal("3, 4, 5, 6, 7", output.Text);
    }

    [Fact]
    public async Task Streamed_text_never_shows_a_part_of_a_stop_string()
    {
        var pieces = new List<string>();
        await foreach (OutputDelta delta in Submit(Count, new SamplingParams { Temperature = 0, MaxTokens = 60, Stop = [", 7, 8"] }).ReadAllAsync())
        {
            pieces.Add(delta.Text);
        }

        Assert.Equal("3, 4, 5, 6", string.Concat(pieces));
    }

    [Fact]
    public async Task A_stop_token_is_the_stop_reason_and_gives_no_text()
    {
        int comma = _engine.Tokenizer.TokenToId(",")!.Value;
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 60, StopTokenIds = [comma] });
        Assert.Equal("3", output.Text);
        Assert.Equal(comma, output.StopReason.TokenId);
        Assert.Equal(comma, output.TokenIds[^1]);
    }

    [Fact]
    public async Task The_end_of_sequence_token_is_no_stop_reason()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 100 });
        Assert.Equal("3, 4, 5, 6, 7, 8, 9, 10, 11, 12", output.Text);
        Assert.Equal(FinishReason.Stop, output.FinishReason);
        Assert.True(output.StopReason.IsNone);
    }

    [Fact]
    public async Task Max_tokens_ends_with_length()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 5 });
        Assert.Equal(FinishReason.Length, output.FinishReason);
        Assert.Equal(5, output.TokenIds.Count);
    }

    [Fact]
    public async Task Ignore_eos_goes_on_to_max_tokens()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 80, IgnoreEos = true });
        Assert.Equal(80, output.TokenIds.Count);
    }

    [Fact]
    public async Task Min_tokens_keeps_the_end_away()
    {
        CompletionOutput output = await One("<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n", new SamplingParams { Temperature = 0, MinTokens = 30, MaxTokens = 40 });
        Assert.InRange(output.TokenIds.Count, 30, 40);
        Assert.DoesNotContain(2, output.TokenIds.Take(30));
    }

    [Fact]
    public async Task Without_max_tokens_the_output_ends_with_the_context()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = null, IgnoreEos = true });
        Assert.Equal(512 - _engine.Tokenizer.Encode(Count, false).Length, output.TokenIds.Count);
        Assert.Equal(FinishReason.Length, output.FinishReason);
    }

    [Theory]
    [InlineData(1, 400)]
    [InlineData(3, 130)]
    public async Task A_whole_answer_is_what_its_deltas_add_up_to(int outputs, int maxTokens)
    {
        // Long enough that the reader of the whole answer, which is not woken for every token, is woken before the end too.
        var sampling = new SamplingParams { Temperature = 1, Seed = 5, N = outputs, MaxTokens = maxTokens, IgnoreEos = true };
        var texts = Enumerable.Range(0, outputs).Select(_ => new StringBuilder()).ToArray();
        var tokens = new int[outputs];
        await foreach (OutputDelta delta in Submit("Once upon a time", sampling).ReadAllAsync())
        {
            texts[delta.Index].Append(delta.Text);
            tokens[delta.Index] += delta.TokenIds.Count;
        }

        RequestOutput whole = await Submit("Once upon a time", sampling).CompleteAsync();
        Assert.Equal(texts.Select(text => text.ToString()), whole.Outputs.Select(output => output.Text));
        Assert.Equal(tokens, whole.Outputs.Select(output => output.TokenIds.Count));
        Assert.All(whole.Outputs, output => Assert.Equal(maxTokens, output.TokenIds.Count));
    }

    [Fact]
    public async Task Cancelling_ends_the_wait_for_a_whole_answer()
    {
        using var source = new CancellationTokenSource();
        GenerationHandle handle = Submit("Once upon a time", new SamplingParams { Temperature = 0, MaxTokens = 450, IgnoreEos = true });
        Task<RequestOutput> whole = handle.CompleteAsync(source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => whole);
    }

    [Fact]
    public async Task N_outputs_differ_and_each_repeats_with_its_seed()
    {
        var sampling = new SamplingParams { Temperature = 1.5, Seed = 7, N = 3, MaxTokens = 24, IgnoreEos = true };
        RequestOutput first = await Submit("Once upon a time", sampling).CompleteAsync();
        RequestOutput again = await Submit("Once upon a time", sampling).CompleteAsync();
        Assert.Equal(3, first.Outputs.Select(output => string.Join(' ', output.TokenIds)).Distinct().Count());
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(i, first.Outputs[i].Index);
            Assert.Equal(first.Outputs[i].TokenIds, again.Outputs[i].TokenIds);
            CompletionOutput alone = await One("Once upon a time", sampling with { N = 1, Seed = 7 + i });
            Assert.Equal(first.Outputs[i].TokenIds, alone.TokenIds);
        }
    }

    [Fact]
    public async Task Logprobs_hold_the_sampled_token_first_and_the_texts_of_tokens()
    {
        CompletionOutput output = await One(Count, new SamplingParams { Temperature = 0, MaxTokens = 6, Logprobs = 3 });
        Assert.Equal(6, output.Logprobs!.Count);
        for (int i = 0; i < 6; i++)
        {
            IReadOnlyList<TokenLogprob> entries = output.Logprobs[i].Entries;
            Assert.Equal(3, entries.Count);
            Assert.Equal(output.TokenIds[i], entries[0].TokenId);
            Assert.Equal(1, entries[0].Rank);
            Assert.True(entries[0].Logprob >= entries[1].Logprob && entries[1].Logprob >= entries[2].Logprob);
        }

        Assert.Equal(output.Text, string.Concat(output.Logprobs.Select(logprobs => logprobs.Entries[0].Token)));
        Assert.Equal(output.Logprobs.Sum(logprobs => (double)logprobs.Entries[0].Logprob), output.CumulativeLogprob!.Value, 1e-6);
    }

    [Fact]
    public async Task A_prompt_that_was_seen_before_comes_from_the_cache_and_gives_the_same()
    {
        string prompt = string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 8));
        RequestOutput first = await Submit(prompt, new SamplingParams { Temperature = 0, MaxTokens = 12 }).CompleteAsync();
        RequestOutput second = await Submit(prompt, new SamplingParams { Temperature = 0, MaxTokens = 12 }).CompleteAsync();
        RequestOutput salted = await _engine.Submit(new GenerationRequest
        {
            Prompt = prompt,
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = 12 },
            CacheSalt = "other tenant",
        }).CompleteAsync();
        Assert.Equal((first.PromptTokenIds.Count - 1) / 16 * 16, second.Metrics!.CachedTokens);
        Assert.Equal(0, salted.Metrics!.CachedTokens);
        Assert.Equal(first.Outputs[0].TokenIds, second.Outputs[0].TokenIds);
        Assert.Equal(first.Outputs[0].TokenIds, salted.Outputs[0].TokenIds);
    }

    [Fact]
    public async Task Text_is_never_cut_inside_a_character()
    {
        // High temperature makes byte tokens and broken sequences likely.
        var text = new StringBuilder();
        GenerationHandle handle = Submit("émoji 🎉 ", new SamplingParams { Temperature = 2, Seed = 3, MaxTokens = 200, IgnoreEos = true });
        var tokens = new List<int>();
        await foreach (OutputDelta delta in handle.ReadAllAsync())
        {
            Assert.False(delta.Text.Length > 0 && char.IsHighSurrogate(delta.Text[^1]));
            text.Append(delta.Text);
            tokens.AddRange(delta.TokenIds);
        }

        string prompt = _engine.Tokenizer.Decode([.. handle.PromptTokenIds], true);
        Assert.Equal(_engine.Tokenizer.Decode([.. handle.PromptTokenIds, .. tokens], true)[prompt.Length..], text.ToString());
    }

    public static TheoryData<string, string, SamplingParams> Refused => new()
    {
        { "n must be 1 when using greedy sampling, got 2.", "hi", new SamplingParams { N = 2, Temperature = 0 } },
        { "temperature must be in [0, 2], got 2.1.", "hi", new SamplingParams { Temperature = 2.1 } },
        { "temperature must be a finite number, got nan.", "hi", new SamplingParams { Temperature = double.NaN } },
        { "top_p must be in (0, 1], got 0.0.", "hi", new SamplingParams { TopP = 0 } },
        { "top_k must be 0 (disable), or at least 1, got -2.", "hi", new SamplingParams { TopK = -2 } },
        { "max_tokens must be at least 1, got 0.", "hi", new SamplingParams { MaxTokens = 0 } },
        { "min_tokens must be less than or equal to max_tokens=4, got 5.", "hi", new SamplingParams { MaxTokens = 4, MinTokens = 5 } },
        { "Requested sample logprobs of 21, which is greater than max allowed: 20", "hi", new SamplingParams { Logprobs = 21 } },
        { "stop cannot contain an empty string.", "hi", new SamplingParams { Stop = [""] } },
        { "The decoder prompt cannot be empty", "", new SamplingParams() },
        { "allowed_token_ids contains out-of-vocab token id!", "hi", new SamplingParams { AllowedTokenIds = [99999] } },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_bad_parameter_is_refused_with_a_message_that_names_it(string message, string prompt, SamplingParams sampling)
    {
        QuireException refused = Assert.Throws<QuireException>(() => Submit(prompt, sampling));
        Assert.Equal(ErrorKind.Request, refused.Kind);
        Assert.StartsWith(message.TrimEnd('.'), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_refused()
    {
        QuireException refused = Assert.Throws<QuireException>(() => Submit(string.Concat(Enumerable.Repeat("word ", 600)), new SamplingParams { MaxTokens = 20 }));
        Assert.Equal(ErrorCodes.ContextExceeded, refused.Code);
        Assert.Contains("maximum context length is 512 tokens", refused.Message, StringComparison.Ordinal);
        Assert.Equal("input_tokens", refused.Field);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8192)]
    [InlineData(int.MaxValue)]
    public void A_token_outside_the_vocabulary_is_refused(int token)
    {
        QuireException refused = Assert.Throws<QuireException>(() => _engine.Submit(new GenerationRequest
        {
            Prompt = Prompt.FromTokens([1, token]),
            Sampling = new SamplingParams(),
        }));
        Assert.Contains($"Token id {token} is out of vocabulary", refused.Message, StringComparison.Ordinal);
    }

    private GenerationHandle Submit(string prompt, SamplingParams sampling) =>
        _engine.Submit(new GenerationRequest { Prompt = Prompt.FromText(prompt, addSpecialTokens: false), Sampling = sampling });

    private async Task<CompletionOutput> One(string prompt, SamplingParams sampling) => (await Submit(prompt, sampling).CompleteAsync()).Outputs[0];
}
