using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Quire.Cli.CommandLine;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Server;

namespace Quire.Cli.Commands;

/// <summary><c>quire serve [MODEL]</c>: the OpenAI-compatible server.</summary>
internal sealed class ServeCommand : CliCommand
{
    private readonly Argument<string?> _model = new("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = "Model folder; the same as --model." };

    public ServeCommand()
        : base("serve", "Serve a model over an OpenAI-compatible HTTP API.") => Definition.Add(_model);

    public override OptionTables Tables => OptionTables.Engine | OptionTables.Server;

    public override bool StartsEngine => true;

    public override async Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        if (call.Parsed.GetValue(_model) is { } model)
            call.Options.Put("model", model, OptionOrigin.CommandLine, "MODEL");
        ServerOptions options = ToServerOptions(call.Options);
        LogLevel least = LeastLevel(call);
        await using InferenceEngine engine = await EngineStart.RunAsync(call, UsageContext.ApiServer, cancellationToken, least).ConfigureAwait(false);
        return await ServerApp.RunAsync(options, engine, call.Host.Out, EngineStart.Logging(call, least), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The server options of the catalogue as the server takes them.</summary>
    internal static ServerOptions ToServerOptions(OptionSet set)
    {
        var standard = new ServerOptions();
        return standard with
        {
            Host = set.GetText("host") ?? standard.Host,
            Port = (int)(set.GetInteger("port") ?? standard.Port),
            Uds = set.GetText("uds"),
            ApiKeys = ApiKeys(set),
            RootPath = set.GetText("root_path"),
            SslCertFile = set.GetText("ssl_certfile"),
            SslKeyFile = set.GetText("ssl_keyfile"),
            AllowedOrigins = set.GetList("allowed_origins") ?? standard.AllowedOrigins,
            AllowedMethods = set.GetList("allowed_methods") ?? standard.AllowedMethods,
            AllowedHeaders = set.GetList("allowed_headers") ?? standard.AllowedHeaders,
            AllowCredentials = set.GetFlag("allow_credentials") ?? false,
            DisableAccessLog = set.GetFlag("disable_uvicorn_access_log") ?? false,
            ChatTemplateContentFormat = set.GetText("chat_template_content_format") switch
            {
                "string" => ContentFormat.Text,
                "openai" => ContentFormat.Parts,
                _ => ContentFormat.Auto,
            },
            TrustRequestChatTemplate = set.GetFlag("trust_request_chat_template") ?? false,
            DefaultChatTemplateKwargs = set.GetJson("default_chat_template_kwargs")?.GetRawText(),
            ResponseRole = set.GetText("response_role") ?? standard.ResponseRole,
            EnableAutoToolChoice = set.GetFlag("enable_auto_tool_choice") ?? false,
            ToolCallParser = set.GetText("tool_call_parser"),
            ReasoningParser = set.GetText("reasoning_parser"),
            ExcludeToolsWhenToolChoiceNone = set.GetFlag("exclude_tools_when_tool_choice_none") ?? false,
            ReturnTokensAsTokenIds = set.GetFlag("return_tokens_as_token_ids") ?? false,
            AllowRuntimeLoraUpdating = set.GetFlag("allow_runtime_lora_updating") ?? false,
            LoraRoot = set.GetText("lora_root"),
            EnableRequestIdHeaders = set.GetFlag("enable_request_id_headers") ?? false,
            EnableLogRequests = set.GetFlag("enable_log_requests") ?? false,
            EnableLogOutputs = set.GetFlag("enable_log_outputs") ?? false,
            MaxLogLen = (int?)set.GetInteger("max_log_len"),
            EnablePromptTokensDetails = set.GetFlag("enable_prompt_tokens_details") ?? false,
            EnablePerRequestMetrics = set.GetFlag("enable_per_request_metrics") ?? false,
            EnableServerLoadTracking = set.GetFlag("enable_server_load_tracking") ?? false,
            EnableForceIncludeUsage = set.GetFlag("enable_force_include_usage") ?? false,
            DisableDocs = set.GetFlag("disable_fastapi_docs") ?? false,
            FingerprintMode = set.GetText("fingerprint_mode") switch
            {
                "hash" => FingerprintMode.Hash,
                "custom" => FingerprintMode.Custom,
                "none" => FingerprintMode.None,
                _ => FingerprintMode.Full,
            },
            Fingerprint = set.GetText("fingerprint"),
            ShutdownTimeout = TimeSpan.FromSeconds(set.GetNumber("shutdown_timeout") ?? standard.ShutdownTimeout.TotalSeconds),
            Limits = standard.Limits with
            {
                HeaderBytes = (int)(set.GetInteger("h11_max_incomplete_event_size") ?? standard.Limits.HeaderBytes),
                HeaderCount = (int)(set.GetInteger("h11_max_header_count") ?? standard.Limits.HeaderCount),
            },
        };
    }

    private static List<string> ApiKeys(OptionSet set)
    {
        var keys = new List<string>(set.GetList("api_key") ?? []);
        if (set.GetText("api_key_file") is not { } path)
            return keys;
        try
        {
            foreach (string line in File.ReadLines(path))
            {
                if (line.Trim() is { Length: > 0 } key && key[0] != '#')
                    keys.Add(key);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failures.Unreadable(path, failure);
        }

        return keys.Count > 0 ? keys : throw Failures.Usage(ErrorCodes.InvalidOption, $"api_key_file {path} holds no key; an empty file would let everyone in", "api_key_file");
    }

    private static LogLevel LeastLevel(CliCall call) => call.Verbose ? LogLevel.Debug : (call.Options.GetText("uvicorn_log_level") ?? "info") switch
    {
        "critical" => LogLevel.Critical,
        "error" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "debug" => LogLevel.Debug,
        "trace" => LogLevel.Trace,
        _ => LogLevel.Information,
    };
}
