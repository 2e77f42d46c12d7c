namespace Quire.Engine;

/// <summary>
/// Every error code of Quire, each with a page under <c>docs/errors</c>. 1xxx usage and configuration, 2xxx model files, 3xxx requests,
/// 4xxx while running. A retired code is never given to something else.
/// </summary>
public static class ErrorCodes
{
    /// <summary>An option or command that does not exist.</summary>
    public const string UnknownOption = "QRE1001";

    /// <summary>An option with a value outside what it allows.</summary>
    public const string InvalidOption = "QRE1002";

    /// <summary>Options that contradict each other.</summary>
    public const string ConflictingOptions = "QRE1003";

    /// <summary>A configuration or input file that cannot be read.</summary>
    public const string UnreadableFile = "QRE1004";

    /// <summary>The address to listen on is taken or not allowed.</summary>
    public const string AddressUnavailable = "QRE1005";

    /// <summary>A feature that exists by name but not in this version.</summary>
    public const string NotAvailable = "QRE1006";

    /// <summary>The KV cache does not fit into the memory that it may use.</summary>
    public const string NotEnoughMemory = "QRE1007";

    /// <summary>There is no model at the given place.</summary>
    public const string ModelNotFound = "QRE2001";

    /// <summary>A weight file is broken, incomplete or of an unsafe format.</summary>
    public const string BadCheckpoint = "QRE2002";

    /// <summary>config.json lacks something or has a value that cannot be.</summary>
    public const string BadModelConfig = "QRE2003";

    /// <summary>An architecture that Quire does not know.</summary>
    public const string UnknownArchitecture = "QRE2004";

    /// <summary>The tokenizer is missing, broken, or does not match the vocabulary.</summary>
    public const string BadTokenizer = "QRE2005";

    /// <summary>The chat template is missing or cannot be parsed.</summary>
    public const string BadChatTemplate = "QRE2006";

    /// <summary>A LoRA adapter that is broken, of a kind that is not supported, or made for another model.</summary>
    public const string BadAdapter = "QRE2007";

    /// <summary>A request field with a value outside what it allows.</summary>
    public const string BadRequest = "QRE3001";

    /// <summary>The prompt, or prompt and answer together, exceed the context.</summary>
    public const string ContextExceeded = "QRE3002";

    /// <summary>A request names a model that is not served.</summary>
    public const string UnknownModel = "QRE3003";

    /// <summary>The engine is shutting down or its queue is full.</summary>
    public const string Unavailable = "QRE4001";

    /// <summary>The engine has failed; every request ends with this.</summary>
    public const string EngineDead = "QRE4002";

    /// <summary>One request failed inside the engine; the others go on.</summary>
    public const string RequestFailed = "QRE4003";
}
