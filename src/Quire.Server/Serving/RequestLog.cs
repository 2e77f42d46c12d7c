using System;
using System.Collections.Generic;
using System.Text;
using Microsoft.Extensions.Logging;
using Quire.Server.Requests;

namespace Quire.Server.Serving;

/// <summary>The optional log of requests and outputs (<c>--enable-log-requests</c>, <c>--enable-log-outputs</c>).</summary>
internal static class RequestLog
{
    public static void Accepted(ServerContext server, RequestIdentity identity, GenerationFields fields, GenerationSet generations)
    {
        if (server.Options.EnableLogRequests && server.Logger.IsEnabled(LogLevel.Information))
        {
            string prompt = Log.Printable(generations.Items[0].PromptText ?? "", server.Options.MaxLogLen);
            Log.Request(server.Logger, identity.Id, generations.Items.Count, fields.N, fields.Stream, fields.MaxTokens, prompt);
        }
    }

    public static void Finished(ServerContext server, RequestIdentity identity, List<CollectedOutput[]> outputs)
    {
        if (!server.Options.EnableLogRequests || !server.Options.EnableLogOutputs || !server.Logger.IsEnabled(LogLevel.Information))
        {
            return;
        }

        int index = 0;
        foreach (CollectedOutput[] ofPrompt in outputs)
        {
            foreach (CollectedOutput output in ofPrompt)
            {
                string reason = Encoding.UTF8.GetString(FinishReasons.Name(output.FinishReason));
                Log.Output(server.Logger, identity.Id, index++, reason, output.TokenIds.Count, Log.Printable(output.Text, server.Options.MaxLogLen));
            }
        }
    }

    public static void Failed(ServerContext server, Exception? failure)
    {
        if (failure is not null)
        {
            Log.RequestFailed(server.Logger, failure);
        }
    }
}
