namespace Quire.Tokenization.Chat;

/// <summary>Errors of a rendering, in the words of Python and Jinja.</summary>
internal static class TemplateErrors
{
    public static ChatTemplateException Type(string message) => new(ChatTemplateErrorKind.Runtime, message);

    public static ChatTemplateException Undefined(UndefinedValue value) => new(ChatTemplateErrorKind.Runtime, value.Message);

    public static ChatTemplateException NotIterable(TemplateValue value) => Type($"'{value.TypeName}' object is not iterable");

    /// <summary>What a missing attribute or item gives.</summary>
    public static UndefinedValue MissingMember(TemplateValue owner, TemplateValue name) => new(() =>
    {
        string type = owner switch
        {
            NoneValue => "None",
            NamespaceValue => "jinja2.utils.Namespace object",
            _ => owner.TypeName + " object",
        };
        return name is StringValue text
            ? $"'{type}' has no attribute {PythonText.Repr(text)}"
            : $"{type} has no element {PythonText.Repr(name)}";
    });

    public static UndefinedValue MissingName(string name) => new(() => $"'{name}' is undefined");

    public static UndefinedValue Unsafe(TemplateValue owner, string name) =>
        new(() => $"access to attribute '{name}' of '{owner.TypeName}' object is unsafe.");
}
