using System.Text.Json;
using Quire.Server.Http;

namespace Quire.Server.Requests;

/// <summary>
/// Request fields that mean something to a client and that this version does not do. A client that sets one would believe that it got
/// what it asked for, so they are refused instead of ignored. Values that ask for nothing (null, false, an empty list) pass.
/// </summary>
internal static class UnavailableFields
{
    /// <summary>True when the field is known here and asks for nothing; false when it is unknown.</summary>
    /// <exception cref="ApiException">It asks for something.</exception>
    public static bool Check(string name, JsonElement value)
    {
        string? what = Describe(name);
        if (what is null)
        {
            return false;
        }

        if (AsksForNothing(value))
        {
            return true;
        }

        throw new ApiException(ApiError.NotAvailable(name, what));
    }

    private static string? Describe(string name) => name switch
    {
        "use_beam_search" => "Beam search",
        "prompt_embeds" => "Input as embeddings",
        "structured_outputs" => "Constraining the output with `structured_outputs`",
        "guided_json" or "guided_regex" or "guided_choice" or "guided_grammar" or "guided_whitespace_pattern" or "guided_decoding_backend"
            => "Constraining the output with `guided_…` fields",
        "thinking_token_budget" => "A limit on thinking tokens",
        "return_token_offsets" => "Returning offsets of tokens",
        "return_assistant_tokens_mask" => "Returning a mask of assistant tokens",
        "kv_transfer_params" or "ec_transfer_params" => "Moving caches between servers",
        "vllm_xargs" => "Passing extra arguments to plug-ins",
        "mm_processor_kwargs" or "media_io_kwargs" => "Input of images, audio and video",
        "audio" => "Output of audio",
        "functions" or "function_call" => "The old form of tools",
        "web_search_options" => "Searching the web",
        "prediction" => "Predicted output",
        _ => null,
    };

    private static bool AsksForNothing(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().MoveNext(),
        _ => false,
    };
}
