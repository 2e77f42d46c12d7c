using System;
using System.Collections.Generic;

namespace Quire.Server;

/// <summary>How the content of messages reaches a chat template.</summary>
public enum ContentFormat
{
    /// <summary>As the template seems to want it.</summary>
    Auto,

    /// <summary>As one text.</summary>
    Text,

    /// <summary>As a list of parts.</summary>
    Parts,
}

/// <summary>What <c>system_fingerprint</c> of an answer says.</summary>
public enum FingerprintMode
{
    /// <summary>Version and a hash of the configuration.</summary>
    Full,

    /// <summary>The same text as <see cref="Full"/>: there is one device layout, so nothing stands between version and hash.</summary>
    Hash,

    /// <summary>The text of <see cref="ServerOptions.Fingerprint"/>.</summary>
    Custom,

    /// <summary>Null.</summary>
    None,
}

/// <summary>
/// How the HTTP server listens and answers: the front-end options of vLLM under their names, plus the limits that keep a server on a
/// network alive. The defaults are the safe ones: loopback only, no cross-origin requests.
/// </summary>
public sealed record ServerOptions
{
    /// <summary>Address to listen on: a name that resolves to one, an IPv4 or IPv6 address, or <c>0.0.0.0</c> for all.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>TCP port; 0 takes a free one.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>Path of a Unix domain socket to listen on instead of host and port.</summary>
    public string? Uds { get; init; }

    /// <summary>Keys that open every path but <c>/health</c> and <c>/ping</c>. Empty means no key is asked for.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>Path prefix under which a proxy shows this server.</summary>
    public string? RootPath { get; init; }

    /// <summary>PEM file with the certificate (chain) of the server; TLS is on when it is set.</summary>
    public string? SslCertFile { get; init; }

    /// <summary>PEM file with the private key of <see cref="SslCertFile"/>; null when the certificate file holds it.</summary>
    public string? SslKeyFile { get; init; }

    /// <summary>Origins that browsers may call from. Empty (the default) sends no CORS headers at all.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    public IReadOnlyList<string> AllowedMethods { get; init; } = ["*"];

    public IReadOnlyList<string> AllowedHeaders { get; init; } = ["*"];

    /// <summary>Whether browsers may send credentials. Not possible together with the origin <c>*</c>.</summary>
    public bool AllowCredentials { get; init; }

    public bool DisableAccessLog { get; init; }

    /// <summary>vLLM's <c>--chat-template-content-format</c>: auto, string, openai.</summary>
    public ContentFormat ChatTemplateContentFormat { get; init; }

    /// <summary>Allows the field <c>chat_template</c> in requests.</summary>
    public bool TrustRequestChatTemplate { get; init; }

    /// <summary>JSON object merged under the <c>chat_template_kwargs</c> of requests.</summary>
    public string? DefaultChatTemplateKwargs { get; init; }

    /// <summary>Role of the answers of <c>/v1/chat/completions</c>.</summary>
    public string ResponseRole { get; init; } = "assistant";

    public bool EnableAutoToolChoice { get; init; }

    public string? ToolCallParser { get; init; }

    public string? ReasoningParser { get; init; }

    /// <summary>Leaves tools out of the prompt when <c>tool_choice</c> is <c>none</c>.</summary>
    public bool ExcludeToolsWhenToolChoiceNone { get; init; }

    /// <summary>Tokens in log-probabilities are written <c>token_id:N</c> unless a request says otherwise.</summary>
    public bool ReturnTokensAsTokenIds { get; init; }

    /// <summary>
    /// Offers <c>/v1/load_lora_adapter</c> and <c>/v1/unload_lora_adapter</c>: whoever may call them chooses folders of this machine that
    /// are read. vLLM's environment variable of that name.
    /// </summary>
    public bool AllowRuntimeLoraUpdating { get; init; }

    /// <summary>Folder that adapters loaded over HTTP must lie in; null allows every folder.</summary>
    public string? LoraRoot { get; init; }

    /// <summary>Sends <c>X-Request-Id</c> back.</summary>
    public bool EnableRequestIdHeaders { get; init; }

    public bool EnableLogRequests { get; init; }

    /// <summary>Also logs what was generated; only with <see cref="EnableLogRequests"/>.</summary>
    public bool EnableLogOutputs { get; init; }

    /// <summary>Characters of a prompt or an output in the log; null is all.</summary>
    public int? MaxLogLen { get; init; }

    public bool EnablePromptTokensDetails { get; init; }

    /// <summary>Fills <c>metrics</c> of answers.</summary>
    public bool EnablePerRequestMetrics { get; init; }

    /// <summary>Lets <c>/load</c> count the requests in work; it is 0 otherwise.</summary>
    public bool EnableServerLoadTracking { get; init; }

    /// <summary>Usage in every stream, in every chunk.</summary>
    public bool EnableForceIncludeUsage { get; init; }

    /// <summary>Removes <c>/openapi.json</c>.</summary>
    public bool DisableDocs { get; init; }

    public FingerprintMode FingerprintMode { get; init; } = FingerprintMode.Full;

    /// <summary>The text for <see cref="FingerprintMode.Custom"/>.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>How long running requests may go on after SIGTERM.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public ServerLimits Limits { get; init; } = new();
}

/// <summary>Bounds on what a client can make the server hold.</summary>
public sealed record ServerLimits
{
    /// <summary>Bytes of a request body.</summary>
    public long RequestBodyBytes { get; init; } = 64L << 20;

    /// <summary>Bytes of all request headers together.</summary>
    public int HeaderBytes { get; init; } = 64 << 10;

    public int HeaderCount { get; init; } = 256;

    /// <summary>Open connections; more are closed at once.</summary>
    public long Connections { get; init; } = 16384;

    public int Http2StreamsPerConnection { get; init; } = 256;

    /// <summary>Time for a client to send its headers.</summary>
    public TimeSpan HeadersTimeout { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>Bytes a second below which a body that is being sent, or an answer that is not being read, ends the connection.</summary>
    public double MinimumBytesPerSecond { get; init; } = 240;

    /// <summary>How long a connection may be slower than that.</summary>
    public TimeSpan SlowGracePeriod { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Brackets inside brackets in a request body.</summary>
    public int JsonDepth { get; init; } = 128;

    /// <summary>Prompts of one <c>/v1/completions</c> request.</summary>
    public int Prompts { get; init; } = 1024;

    /// <summary>Messages of one chat request.</summary>
    public int Messages { get; init; } = 65536;

    /// <summary>Entries of <c>stop</c>, <c>stop_token_ids</c> and <c>bad_words</c>.</summary>
    public int ListEntries { get; init; } = 1024;

    /// <summary>Characters of one entry of <c>stop</c> or <c>bad_words</c>.</summary>
    public int StopLength { get; init; } = 4096;

    /// <summary>Characters of all entries of <c>stop</c> together: each becomes a state of the automaton that searches for them.</summary>
    public int StopCharacters { get; init; } = 65536;

    /// <summary>Characters of <c>cache_salt</c>.</summary>
    public int CacheSaltLength { get; init; } = 1024;

    public int Tools { get; init; } = 1024;
}
