using System.Text.Json;
using Quire.Engine.Streaming;

namespace Quire.Server.Serving;

/// <summary>The <c>metrics</c> object of an answer with one output.</summary>
internal static class PerRequestMetrics
{
    public static void Write(Utf8JsonWriter json, RequestTimings? timings, int completionTokens)
    {
        if (timings is null)
        {
            json.WriteNull("metrics"u8);
            return;
        }

        json.WriteStartObject("metrics"u8);
        json.WriteNumber("time_to_first_token_ms"u8, timings.TimeToFirstTokenSeconds * 1000);
        json.WriteNumber("generation_time_ms"u8, timings.DecodeSeconds * 1000);
        json.WriteNumber("queue_time_ms"u8, timings.QueueSeconds * 1000);
        json.WriteNumber("mean_itl_ms"u8, timings.TimePerOutputTokenSeconds * 1000);
        double tokensPerSecond = timings.DecodeSeconds > 0 ? (completionTokens - 1) / timings.DecodeSeconds : 0;
        json.WriteNumber("tokens_per_second"u8, tokensPerSecond);
        json.WriteEndObject();
    }
}
