using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Quire.Engine.Lora;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server.Models;

/// <summary>
/// <c>POST /v1/load_lora_adapter</c> and <c>/v1/unload_lora_adapter</c>, with vLLM's bodies and sentences. Mapped only when the operator
/// allows it.
/// </summary>
internal sealed class LoraEndpoint(ServerContext server)
{
    private const string UserInputType = "InvalidUserInput";

    public async Task LoadAsync(HttpContext context)
    {
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        string? name = Text(body.Root, "lora_name");
        string? path = Text(body.Root, "lora_path");
        bool inPlace = Flag(body.Root, "load_inplace");
        LoraRegistry loras = Registry();
        if (string.IsNullOrEmpty(name) || string.IsNullOrEmpty(path))
        {
            throw Wrong("Both 'lora_name' and 'lora_path' must be provided.");
        }

        if (!inPlace && loras.Contains(name))
        {
            throw Wrong($"The lora adapter '{Shorten(name)}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.");
        }

        // Reading and checking may take a while on a slow disk; the thread that answers other requests is not to wait for it.
        await Task.Run(() => loras.Load(new LoraRequest(name, path), inPlace, server.Options.LoraRoot), context.RequestAborted);
        Log.LoraLoaded(server.Logger, name);
        await AnswerAsync(context, $"Success: LoRA adapter '{name}' added successfully.");
    }

    public async Task UnloadAsync(HttpContext context)
    {
        using JsonBody body = await JsonBody.ReadAsync(context, server.Options.Limits.JsonDepth);
        string? name = Text(body.Root, "lora_name");
        LoraRegistry loras = Registry();
        if (string.IsNullOrEmpty(name))
        {
            throw Wrong("'lora_name' needs to be provided to unload a LoRA adapter.");
        }

        if (!loras.Unload(name))
        {
            throw new ApiException(new ApiError(404, "NotFoundError", $"The lora adapter '{Shorten(name)}' cannot be found.", "lora_name"));
        }

        Log.LoraUnloaded(server.Logger, name);
        await AnswerAsync(context, $"Success: LoRA adapter '{name}' removed successfully.");
    }

    private LoraRegistry Registry() => server.Engine.Loras
        ?? throw new ApiException(ApiError.Invalid(null, "LoRA is not enabled on this server. Start it with --enable-lora."));

    private static string? Text(JsonElement root, string field) => !root.TryGetProperty(field, out JsonElement value) ? null : value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        _ => throw new ApiException(ApiError.Schema($"body.{field}", "Input should be a valid string")),
    };

    private static bool Flag(JsonElement root, string field) => root.TryGetProperty(field, out JsonElement value) && value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False or JsonValueKind.Null => false,
        _ => throw new ApiException(ApiError.Schema($"body.{field}", "Input should be a valid boolean")),
    };

    private static ApiException Wrong(string message) => new(new ApiError(400, UserInputType, message));

    private static string Shorten(string name) => name.Length <= 200 ? name : name[..200] + "…";

    private static Task AnswerAsync(HttpContext context, string text)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
