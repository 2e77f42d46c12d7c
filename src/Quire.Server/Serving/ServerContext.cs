using System;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Logging;
using Quire.Server.Http;

namespace Quire.Server.Serving;

/// <summary>What every route shares: the engine, the options, and the few facts that are computed once.</summary>
internal sealed class ServerContext
{
    private int _inWork;
    private volatile bool _draining;

    public ServerContext(IServedEngine engine, ServerOptions options, ILogger logger)
    {
        Engine = engine;
        Options = options;
        Logger = logger;
        Fingerprint = MakeFingerprint();
    }

    public IServedEngine Engine { get; }

    public ServerOptions Options { get; }

    public ILogger Logger { get; }

    public static string Version { get; } = typeof(ServerContext).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>The name under which answers speak of the model.</summary>
    public string ServedName => Engine.Model.ServedNames[0];


    public string? Fingerprint { get; }

    /// <summary>Set when the server is told to stop: requests that would start work are refused.</summary>
    public bool IsDraining
    {
        get => _draining;
        set => _draining = value;
    }

    /// <summary>Requests that are being answered by the engine.</summary>
    public int InWork => Volatile.Read(ref _inWork);

    public void EnterWork() => Interlocked.Increment(ref _inWork);

    public void LeaveWork() => Interlocked.Decrement(ref _inWork);

    /// <summary>The name under which the answer to a request speaks of its model: that of the adapter when it asked for one.</summary>
    public string NameFor(string? model) => CheckModel(model) ?? ServedName;

    /// <summary>Null for the model itself, or the name of the LoRA adapter that the request asks for.</summary>
    /// <exception cref="ApiException">The request asks for a model that is not served.</exception>
    public string? CheckModel(string? model)
    {
        if (string.IsNullOrEmpty(model))
        {
            return null;
        }

        foreach (string name in Engine.Model.ServedNames)
        {
            if (string.Equals(name, model, StringComparison.Ordinal))
            {
                return null;
            }
        }

        if (Engine.Loras is { } loras && loras.Contains(model))
        {
            return model;
        }

        throw new ApiException(ApiError.UnknownModel(model.Length <= 200 ? model : model[..200] + "…"));
    }

    /// <exception cref="ApiException">More tokens are asked for than the context can ever hold.</exception>
    public void CheckMaxTokens(int? maxTokens)
    {
        int context = Engine.Model.MaxModelLen;
        if (maxTokens > context)
        {
            throw new ApiException(ApiError.Invalid("max_tokens",
                $"max_tokens={maxTokens} cannot be greater than max_model_len={context}. Please request fewer output tokens."));
        }
    }

    private string? MakeFingerprint()
    {
        switch (Options.FingerprintMode)
        {
            case FingerprintMode.None:
                return null;
            case FingerprintMode.Custom:
                return Options.Fingerprint;
            default:
                string facts = string.Join('\n', Version, ServedName, Engine.Model.Architecture, Engine.Model.DType.ToString(),
                    Engine.Model.MaxModelLen.ToString(System.Globalization.CultureInfo.InvariantCulture));
                string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(facts)).AsSpan(0, 4));
                return $"quire-{Version}-{hash}";
        }
    }
}
