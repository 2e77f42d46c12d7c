using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Quire.Server.Http;

/// <summary>Marks an endpoint that answers without a key.</summary>
internal sealed class OpenToAll
{
    public static OpenToAll Instance { get; } = new();
}

/// <summary>
/// Asks for an API key. The decision hangs on the endpoint that routing has matched, never on the text of the URL: whatever is not an
/// endpoint marked <see cref="OpenToAll"/> needs a key, unknown paths too.
/// </summary>
internal sealed class ApiKeyGuard
{
    private const string Scheme = "Bearer ";

    private readonly List<byte[]> _hashes = [];

    public ApiKeyGuard(IReadOnlyList<string> keys)
    {
        foreach (string key in keys)
        {
            _hashes.Add(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
        }
    }

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (_hashes.Count == 0 || HttpMethods.IsOptions(context.Request.Method)
            || context.GetEndpoint()?.Metadata.GetMetadata<OpenToAll>() is not null || IsAuthorized(context.Request.Headers.Authorization))
        {
            return next(context);
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        return JsonAnswer.WriteAsync(context, StatusCodes.Status401Unauthorized, 0, static (json, _) =>
        {
            json.WriteStartObject();
            json.WriteString("error"u8, "Unauthorized"u8);
            json.WriteEndObject();
        });
    }

    private bool IsAuthorized(StringValues header)
    {
        if (header.Count != 1 || header[0] is not { } value || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        byte[] given = SHA256.HashData(Encoding.UTF8.GetBytes(value[Scheme.Length..]));
        bool isKnown = false;
        foreach (byte[] hash in _hashes)
        {
            // Every key is compared, so that the time does not tell which one was near.
            isKnown |= CryptographicOperations.FixedTimeEquals(hash, given);
        }

        return isKnown;
    }
}
