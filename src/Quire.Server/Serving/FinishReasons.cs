using System;
using System.Text.Json;
using Quire.Core.Requests;
using Quire.Engine.Streaming;
using Quire.Server.Http;

namespace Quire.Server.Serving;

/// <summary>How the end of an output is written.</summary>
internal static class FinishReasons
{
    /// <summary>What a client is told of an output that ended with <see cref="FinishReason.Error"/>.</summary>
    public static ApiError Failure { get; } = new(500, "InternalServerError", "The engine could not finish this request; the server's log says why.");

    public static ReadOnlySpan<byte> Name(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop"u8,
        FinishReason.Length => "length"u8,
        FinishReason.Abort => "abort"u8,
        FinishReason.Repetition => "repetition"u8,
        _ => "error"u8,
    };

    public static void WriteStopReason(Utf8JsonWriter json, StopReason reason)
    {
        if (reason.Text is { } text)
        {
            json.WriteString("stop_reason"u8, text);
        }
        else if (reason.TokenId is { } token)
        {
            json.WriteNumber("stop_reason"u8, token);
        }
        else
        {
            json.WriteNull("stop_reason"u8);
        }
    }
}
