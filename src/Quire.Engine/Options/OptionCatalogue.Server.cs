namespace Quire.Engine.Options;

public static partial class OptionCatalogue
{
    private static OptionDescriptor[] Server =>
    [
        Text(OptionGroup.Server, "host", "127.0.0.1", "Address to listen on. (vLLM listens on all; say 0.0.0.0 for that.)"),
        Integer(OptionGroup.Server, "port", "8000", 0, "Port to listen on; 0 takes a free one.") with { Maximum = 65535 },
        Text(OptionGroup.Server, "uds", "none", "Path of a Unix socket to listen on instead of host and port."),
        List(OptionGroup.Server, "api_key", "none", "Keys that requests must bring as a bearer token; every path but /health and /ping is guarded."),
        Text(OptionGroup.Server, "api_key_file", "none", "File with one key per line. (Quire's own.)"),
        Text(OptionGroup.Server, "root_path", "none", "Path prefix that a proxy in front removes.") with { Neutral = [""] },
        Number(OptionGroup.Server, "shutdown_timeout", "30", 0, "Seconds that running requests get to finish after SIGTERM. (vLLM: 0.)") with { Maximum = 86400 },
        List(OptionGroup.Server, "middleware", "none", "Python middleware.").Refuse("no Python is run; put a proxy in front"),
        Integer(OptionGroup.Server, "api_server_count", "auto", 1, "Front-end processes.").Hint("one process serves and computes") with { Neutral = ["1"], Aliases = ["-asc"] },
        Flag(OptionGroup.Server, "headless", "false", "Engine without a front end.").Refuse("use the .NET library for an engine without HTTP"),
        Flag(OptionGroup.Server, "allow_runtime_lora_updating", "false",
            "Offer /v1/load_lora_adapter and /v1/unload_lora_adapter; whoever may call them chooses what is read from disk. (vLLM: an environment variable.)"),
        Text(OptionGroup.Server, "lora_root", "any folder", "Folder that adapters loaded over HTTP must lie in. (Quire's own.)"),
    ];

    private static OptionDescriptor[] ServerChat =>
    [
        Text(OptionGroup.ServerChat, "chat_template", "the model's", "Chat template: a file, or the Jinja text itself.") with { Scope = OptionScope.Engine },
        Flag(OptionGroup.ServerChat, "allow_control_tokens_in_messages", "false",
            "Let text in messages, tools and documents that spells a control token become that token, as in vLLM. (Quire's own.)") with { Scope = OptionScope.Engine },
        Choice(OptionGroup.ServerChat, "chat_template_content_format", "auto", ["auto", "string", "openai"], "Whether the template gets message content as text or as parts."),
        Flag(OptionGroup.ServerChat, "trust_request_chat_template", "false", "Let requests bring their own chat template."),
        Json(OptionGroup.ServerChat, "default_chat_template_kwargs", "none", "Variables of the chat template, under those of the request."),
        Text(OptionGroup.ServerChat, "response_role", "assistant", "Role of chat answers."),
        Flag(OptionGroup.ServerChat, "enable_auto_tool_choice", "false", "Let the model choose tools; needs tool_call_parser."),
        Text(OptionGroup.ServerChat, "tool_call_parser", "none", "How tool calls are read from the model's text, such as hermes."),
        Text(OptionGroup.ServerChat, "tool_parser_plugin", "none", "Python file with a parser.").Refuse("no Python is run; the parsers are built in") with { Neutral = [""] },
        Flag(OptionGroup.ServerChat, "exclude_tools_when_tool_choice_none", "false", "Hide tools from the template when tool_choice is none."),
        Text(OptionGroup.ServerChat, "reasoning_parser", "none", "How reasoning is told from the answer, such as qwen3.") with { Neutral = [""] },
        Flag(OptionGroup.ServerChat, "return_tokens_as_token_ids", "false", "Write tokens in log-probabilities as token_id:N."),
    ];

    private static OptionDescriptor[] ServerLogging =>
    [
        Choice(OptionGroup.ServerLogging, "uvicorn_log_level", "info", ["critical", "error", "warning", "info", "debug", "trace"], "Least severity that the server logs."),
        Flag(OptionGroup.ServerLogging, "disable_uvicorn_access_log", "false", "Do not log each request line."),
        Flag(OptionGroup.ServerLogging, "enable_log_requests", "false", "Log every request with its parameters."),
        Flag(OptionGroup.ServerLogging, "enable_log_outputs", "false", "Log every answer; needs enable_log_requests."),
        Integer(OptionGroup.ServerLogging, "max_log_len", "none", 0, "Most characters of a prompt or answer in the log."),
        Flag(OptionGroup.ServerLogging, "disable_log_stats", "false", "No periodic statistics in the log and no Prometheus counters.") with { Scope = OptionScope.Engine },
        Flag(OptionGroup.ServerLogging, "enable_request_id_headers", "false", "Answer with the X-Request-Id of the request."),
        Flag(OptionGroup.ServerLogging, "enable_prompt_tokens_details", "false", "Fill usage.prompt_tokens_details."),
        Flag(OptionGroup.ServerLogging, "enable_per_request_metrics", "false", "Fill metrics in responses."),
        Flag(OptionGroup.ServerLogging, "enable_server_load_tracking", "false", "Count running requests for /load."),
        Flag(OptionGroup.ServerLogging, "enable_force_include_usage", "false", "Send usage in every stream."),
        Flag(OptionGroup.ServerLogging, "enable_tokenizer_info_endpoint", "false", "Answer /tokenizer_info."),
        Flag(OptionGroup.ServerLogging, "disable_fastapi_docs", "false", "No /docs and /openapi.json."),
        Choice(OptionGroup.ServerLogging, "fingerprint_mode", "full", ["full", "hash", "custom", "none"], "What system_fingerprint tells."),
        Text(OptionGroup.ServerLogging, "fingerprint", "none", "The text of fingerprint_mode custom. (Quire's own.)"),
    ];

    private static OptionDescriptor[] ServerSecurity =>
    [
        Text(OptionGroup.ServerSecurity, "ssl_keyfile", "none", "Private key of the TLS certificate (PEM), when ssl_certfile does not hold it."),
        Text(OptionGroup.ServerSecurity, "ssl_certfile", "none", "TLS certificate (PEM), with the certificates between it and its root behind it."),
        Text(OptionGroup.ServerSecurity, "ssl_ca_certs", "none", "Authorities that client certificates must come from.").Refuse("client certificates are a proxy's task"),
        Integer(OptionGroup.ServerSecurity, "ssl_cert_reqs", "0", 0, "Whether clients need certificates: 0 no, 1 optional, 2 yes.").Refuse("client certificates are a proxy's task") with { Maximum = 2 },
        List(OptionGroup.ServerSecurity, "allowed_origins", "none", "Origins of browser pages that may call the server. (vLLM: all; say * for that.)") with { Neutral = ["[]"] },
        List(OptionGroup.ServerSecurity, "allowed_methods", "*", "HTTP methods that such pages may use."),
        List(OptionGroup.ServerSecurity, "allowed_headers", "*", "Headers that such pages may send."),
        Flag(OptionGroup.ServerSecurity, "allow_credentials", "false", "Whether such pages may send credentials."),
        Size(OptionGroup.ServerSecurity, "h11_max_incomplete_event_size", "65536", 1024, "Most bytes of request line and headers. (vLLM: 4 MiB.)"),
        Integer(OptionGroup.ServerSecurity, "h11_max_header_count", "256", 1, "Most headers of a request."),
    ];
}
