using System;
using System.Collections.Generic;
using System.Text.Json;
using Quire.Engine.Streaming;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Completions;

/// <summary>The chunks of a streamed completion.</summary>
internal sealed class CompletionChunks : IChunkWriter
{
    private readonly CompletionForm _form;
    private readonly GenerationSet _generations;
    private readonly int _outputsPerPrompt;
    private readonly int[] _tokens;
    private readonly int[] _offsets;
    private readonly bool[] _started;
    private readonly List<LogprobWriter.Position> _positions = [];
    private int _completionTokens;

    public CompletionChunks(CompletionForm form, GenerationSet generations)
    {
        _form = form;
        _generations = generations;
        _outputsPerPrompt = generations.Items[0].OutputCount;
        int outputs = _outputsPerPrompt * generations.Items.Count;
        _tokens = new int[outputs];
        _offsets = new int[outputs];
        _started = new bool[outputs];
    }

    private static ReadOnlySpan<byte> Kind => "text_completion"u8;

    public void Write(SseWriter events, int promptIndex, IGeneration generation, OutputDelta delta)
    {
        CompletionRequest request = _form.Request;
        int choice = delta.Index + (promptIndex * _outputsPerPrompt);
        bool isFirst = !_started[choice];
        bool withEcho = isFirst && request.Fields.Echo;
        if (!withEcho && delta.Text.Length == 0 && delta.FinishReason is null && delta.Logprobs is null && !request.Fields.ReturnTokenIds)
        {
            CountTokens(choice, delta);
            return;
        }

        _started[choice] = true;
        CountTokens(choice, delta);
        Utf8JsonWriter json = events.Json;
        events.BeginEvent();
        _form.WriteHead(json, Kind);
        json.WriteStartArray("choices"u8);
        json.WriteStartObject();
        json.WriteNumber("index"u8, choice);
        string text = request.IsEchoOnly ? "" : delta.Text;
        json.WriteString("text"u8, withEcho ? _form.EchoText(generation) + text : text);
        WriteLogprobs(json, choice, generation, delta, withEcho);
        WriteEndOf(json, delta);
        if (request.Fields.ReturnTokenIds)
        {
            if (isFirst)
            {
                TokenIdWriter.Write(json, "prompt_token_ids"u8, generation.PromptTokenIds);
            }

            TokenIdWriter.Write(json, "token_ids"u8, request.IsEchoOnly ? [] : delta.TokenIds);
        }

        json.WriteEndObject();
        json.WriteEndArray();
        if (delta.FinishReason is not null && !_form.IncludesUsage)
        {
            json.WriteString("system_fingerprint"u8, _form.Server.Fingerprint);
        }

        if (_form.HasContinuousUsage)
        {
            _form.Usage(generation.PromptTokenIds.Count, _tokens[choice], generation.Timings.CachedTokens).Write(json);
        }

        json.WriteEndObject();
        events.EndEvent();
    }

    public void WriteEnd(SseWriter events) => _form.WriteUsageChunk(events, Kind, _generations, _completionTokens);

    private void CountTokens(int choice, OutputDelta delta)
    {
        if (!_form.Request.IsEchoOnly)
        {
            _tokens[choice] += delta.TokenIds.Count;
            _completionTokens += delta.TokenIds.Count;
        }
    }

    private void WriteEndOf(Utf8JsonWriter json, OutputDelta delta)
    {
        if (delta.FinishReason is not { } reason)
        {
            json.WriteNull("finish_reason"u8);
            return;
        }

        bool echoOnly = _form.Request.IsEchoOnly;
        json.WriteString("finish_reason"u8, FinishReasons.Name(echoOnly ? Core.Requests.FinishReason.Length : reason));
        FinishReasons.WriteStopReason(json, echoOnly ? default : delta.StopReason);
    }

    private void WriteLogprobs(Utf8JsonWriter json, int choice, IGeneration generation, OutputDelta delta, bool withEcho)
    {
        if (_form.Request.Logprobs is not { } top)
        {
            json.WriteNull("logprobs"u8);
            return;
        }

        _positions.Clear();
        if (withEcho)
        {
            LogprobWriter.Append(_positions, generation.PromptTokenIds, generation.PromptLogprobs, _form.Server.Engine.Tokenizer);
        }

        if (delta.Logprobs is not null && !_form.Request.IsEchoOnly)
        {
            LogprobWriter.Append(_positions, delta.Logprobs);
        }

        _offsets[choice] = LogprobWriter.WriteCompletion(json, _positions, top, _form.AsTokenIds, _offsets[choice]);
    }
}
