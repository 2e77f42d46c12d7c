using System.Text.Json;
using Quire.Engine;
using Quire.Server.Http;

namespace Quire.Server;

/// <summary>What has to hold of options before a server starts.</summary>
internal static class ServerChecks
{
    public static void Check(ServerOptions options)
    {
        Require(options.Port is >= 0 and <= 65535, ErrorCodes.InvalidOption, "port",
            $"port must be from 0 to 65535, got {options.Port}");
        foreach (string key in options.ApiKeys)
        {
            Require(!string.IsNullOrWhiteSpace(key), ErrorCodes.InvalidOption, "api_key", "api_key must not be empty: an empty key would let everyone in");
        }

        Require(options.SslKeyFile is null || options.SslCertFile is not null, ErrorCodes.ConflictingOptions, "ssl_keyfile",
            "ssl_keyfile needs ssl_certfile as well");
        Require(!options.AllowCredentials || !Cors.IsAll(options.AllowedOrigins), ErrorCodes.ConflictingOptions, "allow_credentials",
            "allow_credentials with allowed_origins '*' would let every web page act for its visitor; name the origins");
        Require(!options.EnableLogOutputs || options.EnableLogRequests, ErrorCodes.ConflictingOptions, "enable_log_outputs",
            "enable_log_outputs needs enable_log_requests as well");
        Require(!options.EnableAutoToolChoice || !string.IsNullOrEmpty(options.ToolCallParser), ErrorCodes.ConflictingOptions, "enable_auto_tool_choice",
            "enable_auto_tool_choice needs tool_call_parser as well");
        Require(options.FingerprintMode != FingerprintMode.Custom || options.Fingerprint is not null, ErrorCodes.ConflictingOptions, "fingerprint_mode",
            "fingerprint_mode custom needs the text of the fingerprint");
        Require(string.IsNullOrEmpty(options.RootPath) || options.RootPath[0] == '/', ErrorCodes.InvalidOption, "root_path",
            $"root_path must begin with '/', got '{options.RootPath}'");
        Require(options.ShutdownTimeout >= System.TimeSpan.Zero, ErrorCodes.InvalidOption, "shutdown_timeout",
            "shutdown_timeout must be 0 or more seconds");
        Require(options.LoraRoot is null || options.AllowRuntimeLoraUpdating, ErrorCodes.ConflictingOptions, "lora_root",
            "lora_root bounds what may be loaded over HTTP and needs allow_runtime_lora_updating as well");
        Require(options.LoraRoot is null || System.IO.Directory.Exists(options.LoraRoot), ErrorCodes.InvalidOption, "lora_root",
            $"lora_root must be a folder, got '{options.LoraRoot}'");
        Require(options.DefaultChatTemplateKwargs is null || IsObject(options.DefaultChatTemplateKwargs), ErrorCodes.InvalidOption,
            "default_chat_template_kwargs", "default_chat_template_kwargs must be a JSON object");
    }

    private static void Require(bool holds, string code, string option, string message)
    {
        if (!holds)
        {
            throw new QuireException(code, ErrorKind.Usage, message, option);
        }
    }

    private static bool IsObject(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
