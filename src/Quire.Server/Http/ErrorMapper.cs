using System;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Quire.Engine;
using Quire.Tokenization;

namespace Quire.Server.Http;

/// <summary>Turns whatever ended a request into what its client is told. What is not meant for clients becomes a plain 500.</summary>
internal static partial class ErrorMapper
{
    private const int MessageLengthMax = 1900;

    public static ApiError Map(Exception exception)
    {
        ApiError error = exception switch
        {
            ApiException api => api.Error,
            QuireException quire => Map(quire),
            BadHttpRequestException bad => Map(bad),
            TokenizerException tokenizer => ApiError.Invalid(null, tokenizer.Message),
            _ => new ApiError(500, "InternalServerError", "The server failed while it worked on this request; its log says why."),
        };
        return error with { Message = Clean(error.Message) };
    }

    /// <summary>The message without paths of this machine, and of bounded length.</summary>
    public static string Clean(string message)
    {
        string cut = message.Length <= MessageLengthMax ? message : string.Concat(message.AsSpan(0, MessageLengthMax), "…");
        try
        {
            return PathPattern().Replace(cut, "<path>");
        }
        catch (RegexMatchTimeoutException)
        {
            return "The request was refused.";
        }
    }

    private static ApiError Map(QuireException exception) => exception.Kind switch
    {
        ErrorKind.Request => ApiError.Invalid(exception.Field, exception.Message),
        ErrorKind.NotFound => new ApiError(404, "NotFoundError", exception.Message, exception.Field),
        ErrorKind.Unavailable => new ApiError(503, "ServiceUnavailableError", exception.Message, exception.Field),
        _ => new ApiError(500, "InternalServerError", "The engine failed while it worked on this request; the server's log says why."),
    };

    private static ApiError Map(BadHttpRequestException exception) => exception.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => new ApiError(413, "RequestEntityTooLarge", "The request body is larger than this server accepts."),
        StatusCodes.Status408RequestTimeout => new ApiError(408, "RequestTimeout", "The request body came too slowly."),
        int status and >= 400 and < 500 => new ApiError(status, ApiError.SchemaType, "The request is not valid HTTP."),
        _ => new ApiError(400, ApiError.SchemaType, "The request is not valid HTTP."),
    };

    /// <summary>Absolute paths of Unix and Windows; relative names such as those of models stay.</summary>
    [GeneratedRegex(@"(?<![\w.:/])/(?:[\w.\-]+/)+[\w.\-]*|\b[A-Za-z]:\\[\w.\-\\]+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 2000)]
    private static partial Regex PathPattern();
}
