using System;

namespace Quire.Tokenization;

/// <summary>
/// A tokenizer's files cannot be used, or a text cannot be encoded with them. The message names the file, the field and the value.
/// </summary>
public sealed class TokenizerException : Exception
{
    public TokenizerException()
    {
    }

    public TokenizerException(string message)
        : base(message)
    {
    }

    public TokenizerException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
