using System;
using System.Diagnostics.CodeAnalysis;

namespace Quire.Server.Http;

/// <summary>An answer of the form <c>{"error":{"message","type","param","code"}}</c>; its <c>code</c> is the status.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Type">vLLM's name of the kind of error.</param>
/// <param name="Message">A sentence for the client's user.</param>
/// <param name="Param">The field at fault.</param>
internal sealed record ApiError(int Status, string Type, string Message, string? Param = null)
{
    public const string BadRequestType = "BadRequestError";

    /// <summary>The type for bodies that do not have the form of a request, as opposed to values that are refused.</summary>
    public const string SchemaType = "Bad Request";

    /// <summary>A value of the wrong type, or a missing field, at a dotted place of the body.</summary>
    public static ApiError Schema(string location, string problem) =>
        new(400, SchemaType, $"1 validation error:\n  {location}: {problem}", location);

    /// <summary>A body of the right form that asks for something wrong.</summary>
    public static ApiError Invalid(string? param, string message) => new(400, BadRequestType, message, param);

    /// <summary>A field that vLLM has and this version has not.</summary>
    public static ApiError NotAvailable(string field, string what) =>
        new(400, BadRequestType, $"{what} is not available in this version of Quire; leave `{field}` out.", field);

    public static ApiError UnknownModel(string model) => new(404, "NotFoundError", $"The model `{model}` does not exist.", "model");

    public static ApiError ShuttingDown() => new(503, "ServiceUnavailableError", "The server is shutting down and takes no more requests.");
}

/// <summary>Ends the handling of a request with an error for its client.</summary>
[SuppressMessage("Design", "CA1064", Justification = "It never leaves the server.")]
[SuppressMessage("Design", "CA1032", Justification = "It always carries an error.")]
internal sealed class ApiException(ApiError error) : Exception(error.Message)
{
    public ApiError Error { get; } = error;
}
