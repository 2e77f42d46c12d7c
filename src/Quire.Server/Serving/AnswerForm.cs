using System;
using System.Text.Json;
using Quire.Server.Http;
using Quire.Server.Requests;

namespace Quire.Server.Serving;

/// <summary>What the answers to completions and to chats have in common, whether they are written as a whole or in chunks.</summary>
internal abstract class AnswerForm(ServerContext server, RequestIdentity identity, GenerationFields fields)
{
    public ServerContext Server { get; } = server;

    public RequestIdentity Identity { get; } = identity;

    public bool AsTokenIds { get; } = fields.ReturnTokensAsTokenIds ?? server.Options.ReturnTokensAsTokenIds;

    /// <summary>Whether a stream ends with a chunk of usage.</summary>
    public bool IncludesUsage { get; } = server.Options.EnableForceIncludeUsage || fields.IncludeUsage;

    /// <summary>Whether every chunk of a stream has usage.</summary>
    public bool HasContinuousUsage { get; } = server.Options.EnableForceIncludeUsage || (fields.IncludeUsage && fields.ContinuousUsage);

    public TokenUsage Usage(int promptTokens, int completionTokens, int cachedTokens) =>
        new(promptTokens, completionTokens, Server.Options.EnablePromptTokensDetails ? cachedTokens : null);

    /// <summary>Opens the object of an answer or a chunk and writes the fields that all of them begin with.</summary>
    /// <param name="json">Where to write.</param>
    /// <param name="kind">The field <c>object</c>.</param>
    public void WriteHead(Utf8JsonWriter json, ReadOnlySpan<byte> kind)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Identity.EncodedId);
        json.WriteString("object"u8, kind);
        json.WriteNumber("created"u8, Identity.Created);
        json.WriteString("model"u8, Identity.Model);
    }

    /// <summary>The chunk without choices that ends a stream, when usage is wanted.</summary>
    public void WriteUsageChunk(SseWriter events, ReadOnlySpan<byte> kind, GenerationSet generations, int completionTokens)
    {
        if (!IncludesUsage)
        {
            return;
        }

        Utf8JsonWriter json = events.Json;
        events.BeginEvent();
        WriteHead(json, kind);
        json.WriteStartArray("choices"u8);
        json.WriteEndArray();
        json.WriteString("system_fingerprint"u8, Server.Fingerprint);
        Usage(generations.PromptTokens, completionTokens, generations.CachedTokens).Write(json);
        if (Server.Options.EnablePerRequestMetrics && generations.Items is [{ OutputCount: 1 } only])
        {
            PerRequestMetrics.Write(json, only.Timings, completionTokens);
        }

        json.WriteEndObject();
        events.EndEvent();
    }
}
