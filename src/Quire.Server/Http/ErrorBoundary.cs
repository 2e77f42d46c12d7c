using System;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Quire.Server.Serving;

namespace Quire.Server.Http;

/// <summary>
/// The outermost step of every request: turns what went wrong into an error object, gives routes that do not exist one too, echoes the
/// request id, and writes the access log.
/// </summary>
internal sealed class ErrorBoundary(ServerContext server)
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        long start = Stopwatch.GetTimestamp();
        if (server.Options.EnableRequestIdHeaders)
        {
            string? given = context.Request.Headers["X-Request-Id"];
            context.Response.Headers["X-Request-Id"] = RequestIdentity.IsUsable(given) ? given : Guid.NewGuid().ToString("N");
        }

        try
        {
            await next(context);
            await AnswerMissingAsync(context);
        }
        catch (Exception exception)
        {
            await AnswerAsync(context, exception);
        }

        if (!server.Options.DisableAccessLog && server.Logger.IsEnabled(LogLevel.Information))
        {
            string path = Log.Printable(context.Request.Path.Value ?? "", 256);
            Log.Access(server.Logger, context.Request.Method, path, context.Response.StatusCode, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception exception)
    {
        if (context.RequestAborted.IsCancellationRequested || exception is OperationCanceledException
            || (exception is IOException and not BadHttpRequestException))
        {
            // The client is gone. 499 is what proxies write for that; nobody receives it.
            if (!context.Response.HasStarted)
            {
                context.Response.StatusCode = 499;
            }

            return;
        }

        ApiError error = ErrorMapper.Map(exception);
        if (error.Status >= 500 && exception is not ApiException)
        {
            Log.RequestFailed(server.Logger, exception);
        }

        if (context.Response.HasStarted)
        {
            // Half an answer must not look like a whole one.
            context.Abort();
            return;
        }

        string? allow = context.Response.Headers.Allow;
        string? requestId = context.Response.Headers["X-Request-Id"];
        context.Response.Clear();
        if (!string.IsNullOrEmpty(requestId))
        {
            context.Response.Headers["X-Request-Id"] = requestId;
        }

        if (!string.IsNullOrEmpty(allow))
        {
            context.Response.Headers.Allow = allow;
        }

        await JsonAnswer.WriteErrorAsync(context, error);
    }

    /// <summary>Routing answers 404 and 405 without a body.</summary>
    private static Task AnswerMissingAsync(HttpContext context)
    {
        HttpResponse response = context.Response;
        if (response.HasStarted || response.ContentLength is not null)
        {
            return Task.CompletedTask;
        }

        return response.StatusCode switch
        {
            StatusCodes.Status404NotFound => JsonAnswer.WriteErrorAsync(context, new ApiError(404, "NotFoundError", "Not Found")),
            StatusCodes.Status405MethodNotAllowed => JsonAnswer.WriteErrorAsync(context, new ApiError(405, "Method Not Allowed", "Method Not Allowed")),
            _ => Task.CompletedTask,
        };
    }
}
