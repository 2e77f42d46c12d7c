using System;
using System.Collections.Generic;
using System.Text.Json;

namespace Quire.Server.Serving;

/// <summary>Lists of token ids.</summary>
internal static class TokenIdWriter
{
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, IReadOnlyList<int>? tokenIds)
    {
        if (tokenIds is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartArray(name);
        for (int i = 0; i < tokenIds.Count; i++)
        {
            json.WriteNumberValue(tokenIds[i]);
        }

        json.WriteEndArray();
    }
}
