using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Serving;

namespace Quire.Server.Chat;

/// <summary>The whole answer of the chat routes: what is null stands there as null.</summary>
internal static class ChatAnswer
{
    /// <summary>Writes the outputs of one conversation, or of several one after the other.</summary>
    public static void Write(Utf8JsonWriter json, ChatForm form, GenerationSet generations, IReadOnlyList<CollectedOutput[]> outputs)
    {
        form.WriteHead(json, "chat.completion"u8);
        json.WriteStartArray("choices"u8);
        int completionTokens = 0;
        int index = 0;
        foreach (CollectedOutput[] ofConversation in outputs)
        {
            foreach (CollectedOutput output in ofConversation)
            {
                WriteChoice(json, form, output, index++);
                completionTokens += output.TokenIds.Count;
            }
        }

        json.WriteEndArray();
        json.WriteNull("service_tier"u8);
        json.WriteString("system_fingerprint"u8, form.Server.Fingerprint);
        form.Usage(generations.PromptTokens, completionTokens, generations.CachedTokens).Write(json);
        IGeneration first = generations.Items[0];
        LogprobWriter.WritePrompt(json, outputs.Count == 1 ? first.PromptLogprobs : null);
        TokenIdWriter.Write(json, "prompt_token_ids"u8, form.Request.Fields.ReturnTokenIds && outputs.Count == 1 ? first.PromptTokenIds : null);
        json.WriteString("prompt_text"u8, form.Request.ReturnPromptText ? form.PromptText : null);
        json.WriteNull("kv_transfer_params"u8);
        json.WriteNull("ec_transfer_params"u8);
        bool hasMetrics = form.Server.Options.EnablePerRequestMetrics && index == 1;
        PerRequestMetrics.Write(json, hasMetrics ? first.Timings : null, completionTokens);
        json.WriteEndObject();
    }

    private static void WriteChoice(Utf8JsonWriter json, ChatForm form, CollectedOutput output, int index)
    {
        json.WriteStartObject();
        json.WriteNumber("index"u8, index);
        json.WriteStartObject("message"u8);
        json.WriteString("role"u8, form.Role);
        json.WriteString("content"u8, form.EchoText + output.Text);
        json.WriteNull("refusal"u8);
        json.WriteNull("annotations"u8);
        json.WriteNull("audio"u8);
        json.WriteNull("function_call"u8);
        json.WriteNull("reasoning"u8);
        json.WriteEndObject();
        if (form.Request.Logprobs && output.Logprobs is not null)
        {
            LogprobWriter.WriteChat(json, output.Logprobs, form.Request.TopLogprobs, form.AsTokenIds);
        }
        else
        {
            json.WriteNull("logprobs"u8);
        }

        json.WriteString("finish_reason"u8, FinishReasons.Name(output.FinishReason));
        FinishReasons.WriteStopReason(json, output.StopReason);
        TokenIdWriter.Write(json, "token_ids"u8, form.Request.Fields.ReturnTokenIds ? output.TokenIds : null);
        json.WriteNull("routed_experts"u8);
        json.WriteEndObject();
    }
}
