using System;
using System.Text.Json;
using Quire.Engine.Streaming;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>The chunks of a streamed chat answer: first the role of every choice, then text, then the reason for the end.</summary>
internal sealed class ChatChunks : IChunkWriter
{
    private readonly ChatForm _form;
    private readonly GenerationSet _generations;
    private readonly int[] _tokens;
    private int _completionTokens;
    private bool _started;

    public ChatChunks(ChatForm form, GenerationSet generations)
    {
        _form = form;
        _generations = generations;
        _tokens = new int[generations.Items[0].OutputCount];
    }

    private static ReadOnlySpan<byte> Kind => "chat.completion.chunk"u8;

    public void Write(SseWriter events, int promptIndex, IGeneration generation, OutputDelta delta)
    {
        if (!_started)
        {
            _started = true;
            WriteStart(events, generation);
        }

        _tokens[delta.Index] += delta.TokenIds.Count;
        _completionTokens += delta.TokenIds.Count;
        bool hasLogprobs = _form.Request.Logprobs && delta.Logprobs is not null;
        bool withIds = _form.Request.Fields.ReturnTokenIds;
        if (delta.Text.Length == 0 && delta.FinishReason is null && !hasLogprobs && !withIds)
        {
            return;
        }

        Utf8JsonWriter json = events.Json;
        BeginChoice(events, delta.Index);
        json.WriteStartObject("delta"u8);
        json.WriteString("content"u8, delta.Text);
        json.WriteEndObject();
        if (hasLogprobs)
        {
            LogprobWriter.WriteChat(json, delta.Logprobs!, _form.Request.TopLogprobs, _form.AsTokenIds);
        }
        else
        {
            json.WriteNull("logprobs"u8);
        }

        WriteFinish(json, delta);
        if (withIds)
        {
            TokenIdWriter.Write(json, "token_ids"u8, delta.TokenIds);
        }

        json.WriteEndObject();
        json.WriteEndArray();
        if (delta.FinishReason is not null && !_form.IncludesUsage)
        {
            json.WriteString("system_fingerprint"u8, _form.Server.Fingerprint);
        }

        EndChunk(events, generation, delta.Index);
    }

    public void WriteEnd(SseWriter events) => _form.WriteUsageChunk(events, Kind, _generations, _completionTokens);

    /// <summary>The chunks that stand before all text: for each choice its role, and what is echoed.</summary>
    private void WriteStart(SseWriter events, IGeneration generation)
    {
        for (int index = 0; index < _tokens.Length; index++)
        {
            WriteTextChunk(events, generation, index, "", withRole: true);
        }

        if (string.IsNullOrEmpty(_form.EchoText))
        {
            return;
        }

        for (int index = 0; index < _tokens.Length; index++)
        {
            WriteTextChunk(events, generation, index, _form.EchoText, withRole: false);
        }
    }

    private void WriteTextChunk(SseWriter events, IGeneration generation, int index, string text, bool withRole)
    {
        Utf8JsonWriter json = events.Json;
        BeginChoice(events, index);
        json.WriteStartObject("delta"u8);
        if (withRole)
        {
            json.WriteString("role"u8, _form.Role);
        }

        json.WriteString("content"u8, text);
        json.WriteEndObject();
        json.WriteNull("logprobs"u8);
        json.WriteNull("finish_reason"u8);
        json.WriteEndObject();
        json.WriteEndArray();
        if (withRole)
        {
            TokenIdWriter.Write(json, "prompt_token_ids"u8, _form.Request.Fields.ReturnTokenIds ? generation.PromptTokenIds : null);
            json.WriteString("prompt_text"u8, _form.Request.ReturnPromptText ? _form.PromptText : null);
        }

        EndChunk(events, generation, index);
    }

    private void BeginChoice(SseWriter events, int index)
    {
        Utf8JsonWriter json = events.Json;
        events.BeginEvent();
        _form.WriteHead(json, Kind);
        json.WriteStartArray("choices"u8);
        json.WriteStartObject();
        json.WriteNumber("index"u8, index);
    }

    private void EndChunk(SseWriter events, IGeneration generation, int index)
    {
        if (_form.HasContinuousUsage)
        {
            _form.Usage(generation.PromptTokenIds.Count, _tokens[index], generation.Timings.CachedTokens).Write(events.Json);
        }

        events.Json.WriteEndObject();
        events.EndEvent();
    }

    private static void WriteFinish(Utf8JsonWriter json, OutputDelta delta)
    {
        if (delta.FinishReason is not { } reason)
        {
            json.WriteNull("finish_reason"u8);
            return;
        }

        json.WriteString("finish_reason"u8, FinishReasons.Name(reason));
        FinishReasons.WriteStopReason(json, delta.StopReason);
    }
}
