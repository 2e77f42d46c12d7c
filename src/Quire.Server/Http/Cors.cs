using System;
using System.Collections.Generic;
using Microsoft.AspNetCore.Cors.Infrastructure;

namespace Quire.Server.Http;

/// <summary>Which browser pages may call the server. Only used when origins are configured.</summary>
internal static class Cors
{
    public static void Configure(CorsPolicyBuilder policy, ServerOptions options)
    {
        if (IsAll(options.AllowedOrigins))
        {
            policy.AllowAnyOrigin();
        }
        else
        {
            policy.WithOrigins([.. options.AllowedOrigins]);
        }

        if (IsAll(options.AllowedMethods))
        {
            policy.AllowAnyMethod();
        }
        else
        {
            policy.WithMethods([.. options.AllowedMethods]);
        }

        if (IsAll(options.AllowedHeaders))
        {
            policy.AllowAnyHeader();
        }
        else
        {
            policy.WithHeaders([.. options.AllowedHeaders]);
        }

        if (options.AllowCredentials)
        {
            policy.AllowCredentials();
        }
    }

    public static bool IsAll(IReadOnlyList<string> list)
    {
        foreach (string item in list)
        {
            if (string.Equals(item, "*", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
