using System;
using System.Diagnostics.CodeAnalysis;

namespace Quire.Core.Foundation;

/// <summary>Thrown when our own code broke one of its rules. It is never the fault of a request.</summary>
public sealed class InvariantException : Exception
{
    public InvariantException() { }
    public InvariantException(string message) : base(message) { }
    public InvariantException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>Cheap integer checks that stay on in release builds: a wrong schedule would mix up the answers of different users.</summary>
public static class Invariant
{
    /// <exception cref="InvariantException"><paramref name="condition"/> is false.</exception>
    public static void Check([DoesNotReturnIf(false)] bool condition, string message)
    {
        if (!condition)
            Fail(message);
    }

    [DoesNotReturn]
    public static void Fail(string message) => throw new InvariantException(message);
}
