using System.Collections.Generic;
using System.Text.Json;
using Quire.Server.Serving;

namespace Quire.Server.Completions;

/// <summary>The whole answer of <c>/v1/completions</c>: what is null stands there as null.</summary>
internal static class CompletionAnswer
{
    public static void Write(Utf8JsonWriter json, CompletionForm form, GenerationSet generations, List<CollectedOutput[]> outputs)
    {
        form.WriteHead(json, "text_completion"u8);
        json.WriteStartArray("choices"u8);
        int completionTokens = 0;
        int index = 0;
        for (int prompt = 0; prompt < outputs.Count; prompt++)
        {
            foreach (CollectedOutput output in outputs[prompt])
            {
                WriteChoice(json, form, generations.Items[prompt], output, index++);
                completionTokens += form.Request.IsEchoOnly ? 0 : output.TokenIds.Count;
            }
        }

        json.WriteEndArray();
        json.WriteNull("service_tier"u8);
        json.WriteString("system_fingerprint"u8, form.Server.Fingerprint);
        form.Usage(generations.PromptTokens, completionTokens, generations.CachedTokens).Write(json);
        json.WriteNull("kv_transfer_params"u8);
        json.WriteNull("ec_transfer_params"u8);
        bool hasMetrics = form.Server.Options.EnablePerRequestMetrics && index == 1;
        PerRequestMetrics.Write(json, hasMetrics ? generations.Items[0].Timings : null, completionTokens);
        json.WriteEndObject();
    }

    private static void WriteChoice(Utf8JsonWriter json, CompletionForm form, IGeneration generation, CollectedOutput output, int index)
    {
        CompletionRequest request = form.Request;
        bool echo = request.Fields.Echo;
        json.WriteStartObject();
        json.WriteNumber("index"u8, index);
        string text = request.IsEchoOnly ? "" : output.Text;
        json.WriteString("text"u8, echo ? form.EchoText(generation) + text : text);
        WriteLogprobs(json, form, generation, output);
        json.WriteString("finish_reason"u8, FinishReasons.Name(request.IsEchoOnly ? Core.Requests.FinishReason.Length : output.FinishReason));
        FinishReasons.WriteStopReason(json, request.IsEchoOnly ? default : output.StopReason);
        TokenIdWriter.Write(json, "token_ids"u8, request.Fields.ReturnTokenIds ? request.IsEchoOnly ? [] : output.TokenIds : null);
        LogprobWriter.WritePrompt(json, generation.PromptLogprobs);
        TokenIdWriter.Write(json, "prompt_token_ids"u8, request.Fields.ReturnTokenIds ? generation.PromptTokenIds : null);
        json.WriteNull("routed_experts"u8);
        json.WriteEndObject();
    }

    private static void WriteLogprobs(Utf8JsonWriter json, CompletionForm form, IGeneration generation, CollectedOutput output)
    {
        if (form.Request.Logprobs is not { } top)
        {
            json.WriteNull("logprobs"u8);
            return;
        }

        var positions = new List<LogprobWriter.Position>();
        if (form.Request.Fields.Echo)
        {
            LogprobWriter.Append(positions, generation.PromptTokenIds, generation.PromptLogprobs, form.Server.Engine.Tokenizer);
        }

        if (output.Logprobs is not null && !form.Request.IsEchoOnly)
        {
            LogprobWriter.Append(positions, output.Logprobs);
        }

        LogprobWriter.WriteCompletion(json, positions, top, form.AsTokenIds, offset: 0);
    }
}
