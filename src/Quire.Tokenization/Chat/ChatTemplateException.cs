using System;

namespace Quire.Tokenization.Chat;

/// <summary>Why a chat template gave no text.</summary>
public enum ChatTemplateErrorKind
{
    /// <summary>The template is not valid, or uses something that is not supported.</summary>
    Syntax,

    /// <summary>The template turned the conversation down with <c>raise_exception</c>; the message is the template's own.</summary>
    Raised,

    /// <summary>The template and the conversation do not fit: an undefined value, a wrong type.</summary>
    Runtime,

    /// <summary>A limit of <see cref="ChatTemplateLimits"/> was reached.</summary>
    Limit,
}

/// <summary>A chat template is broken, refuses the conversation, or costs too much. Messages are Jinja's where users know those.</summary>
public sealed class ChatTemplateException : Exception
{
    public ChatTemplateException()
    {
    }

    public ChatTemplateException(string message)
        : base(message)
    {
    }

    public ChatTemplateException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    public ChatTemplateException(ChatTemplateErrorKind kind, string message, int line = 0)
        : base(message)
    {
        Kind = kind;
        Line = line;
    }

    public ChatTemplateErrorKind Kind { get; }

    /// <summary>The line of the template, from 1; 0 when it is not known.</summary>
    public int Line { get; }
}
