using System;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Quire.Server.Http;

namespace Quire.Server.Serving;

/// <summary>The fields that all chunks of an answer share.</summary>
internal sealed class RequestIdentity
{
    private const int IdLengthMax = 256;

    private RequestIdentity(string id, string model)
    {
        Id = id;
        EncodedId = JsonText.Encode(id);
        Model = JsonText.Encode(model);
        Created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    }

    public string Id { get; }

    public JsonEncodedText EncodedId { get; }

    public JsonEncodedText Model { get; }

    public long Created { get; }

    /// <summary>The client's own id when it sent a usable one (the header counts more than the body), else a random one.</summary>
    public static RequestIdentity Create(HttpContext context, string prefix, string? bodyId, string model)
    {
        string? header = context.Request.Headers["X-Request-Id"];
        string id = IsUsable(header) ? header! : IsUsable(bodyId) ? bodyId! : Guid.NewGuid().ToString("N");
        return new RequestIdentity(prefix + id, model);
    }

    /// <summary>The priority of the header if it is an integer, else that of the body; clamped to what the scheduler counts with.</summary>
    public static int Priority(HttpContext context, long bodyPriority)
    {
        string? header = context.Request.Headers["X-Vllm-Priority"];
        long priority = long.TryParse(header, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long parsed) ? parsed : bodyPriority;
        return (int)Math.Clamp(priority, int.MinValue, int.MaxValue);
    }

    /// <summary>Printable ASCII of bounded length: it goes into logs and headers.</summary>
    public static bool IsUsable(string? id)
    {
        if (string.IsNullOrEmpty(id) || id.Length > IdLengthMax)
        {
            return false;
        }

        foreach (char character in id)
        {
            if (character is < '!' or > '~')
            {
                return false;
            }
        }

        return true;
    }
}
