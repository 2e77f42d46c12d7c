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
    private readonly bool _includeUsage;
    private readonly bool _continuousUsage;
    private int _completionTokens;
    private bool _started;

    public ChatChunks(ChatForm form, GenerationSet generations)
    {
        _form = form;
        _generations = generations;
        _tokens = new int[generations.Items[0].OutputCount];
        bool force = form.Server.Options.EnableForceIncludeUsage;
        _includeUsage = force || form.Request.Fields.IncludeUsage;
        _continuousUsage = force || (_includeUsage && form.Request.Fields.ContinuousUsage);
    }

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
        if (delta.FinishReason is not null && !_includeUsage)
        {
            json.WriteString("system_fingerprint"u8, _form.Server.Fingerprint);
        }

        EndChunk(events, generation, delta.Index);
    }

    public void WriteEnd(SseWriter events)
    {
        if (!_includeUsage)
        {
            return;
        }

        Utf8JsonWriter json = events.Json;
        events.BeginEvent();
        WriteHead(json);
        json.WriteStartArray("choices"u8);
        json.WriteEndArray();
        json.WriteString("system_fingerprint"u8, _form.Server.Fingerprint);
        _form.Usage(_generations.PromptTokens, _completionTokens, _generations.CachedTokens).Write(json);
        if (_form.Server.Options.EnablePerRequestMetrics && _tokens.Length == 1)
        {
            PerRequestMetrics.Write(json, _generations.Items[0].Timings, _completionTokens);
        }

        json.WriteEndObject();
        events.EndEvent();
    }

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
        WriteHead(json);
        json.WriteStartArray("choices"u8);
        json.WriteStartObject();
        json.WriteNumber("index"u8, index);
    }

    private void EndChunk(SseWriter events, IGeneration generation, int index)
    {
        if (_continuousUsage)
        {
            _form.Usage(generation.PromptTokenIds.Count, _tokens[index], generation.Timings.CachedTokens).Write(events.Json);
        }

        events.Json.WriteEndObject();
        events.EndEvent();
    }

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, _form.Identity.EncodedId);
        json.WriteString("object"u8, "chat.completion.chunk"u8);
        json.WriteNumber("created"u8, _form.Identity.Created);
        json.WriteString("model"u8, _form.Identity.Model);
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
