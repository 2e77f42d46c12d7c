using System;
using Quire.Core.Requests;

namespace Quire.Engine;

/// <summary>Who has to do something about an error: decides exit status and HTTP status.</summary>
public enum ErrorKind
{
    /// <summary>Wrong option, configuration or file given by the operator: exit status 2.</summary>
    Usage,

    /// <summary>Something failed while running, or a model cannot be loaded: exit status 1.</summary>
    Runtime,

    /// <summary>A request that cannot be served as it is: HTTP 400.</summary>
    Request,

    /// <summary>A name in a request that does not exist here: HTTP 404.</summary>
    NotFound,

    /// <summary>Not now: HTTP 503.</summary>
    Unavailable,

    /// <summary>A fault of ours: HTTP 500.</summary>
    Internal,
}

/// <summary>
/// An error that a person can act on: a stable code with a page under <c>docs/errors</c>, and one line that says what is wrong, the
/// value, the limit and the way out.
/// </summary>
public sealed class QuireException : Exception
{
    public QuireException(string code, ErrorKind kind, string message, string? field = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Kind = kind;
        Field = field;
    }

    /// <summary>Such as <c>QRE3001</c>; see <see cref="ErrorCodes"/>.</summary>
    public string Code { get; }

    public ErrorKind Kind { get; }

    /// <summary>The option or request field at fault, when there is one.</summary>
    public string? Field { get; }

    /// <summary>The page that explains <see cref="Code"/>, relative to the repository.</summary>
    public override string? HelpLink => $"docs/errors/{Code}.md";

    /// <summary>A refused request as an exception: for callers at the edge.</summary>
    public static QuireException From(Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(refusal);
        return new QuireException(ErrorCodes.BadRequest, ErrorKind.Request, refusal.Message, refusal.Field);
    }
}
