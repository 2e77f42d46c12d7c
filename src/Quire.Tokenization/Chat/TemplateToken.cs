namespace Quire.Tokenization.Chat;

internal enum TemplateTokenKind
{
    /// <summary>Text between tags.</summary>
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,

    /// <summary>Where the lexer could not go on; the text says why. Earlier mistakes that the parser finds come first.</summary>
    Error,
}

/// <summary>A token of a template. <paramref name="Text"/> is the name, the operator, the number or the string's value.</summary>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text, int Line)
{
    public bool IsName(string name) => Kind == TemplateTokenKind.Name && Text == name;

    public bool IsOperator(string operation) => Kind == TemplateTokenKind.Operator && Text == operation;

    /// <summary>What error messages call the token.</summary>
    public string Description => Kind switch
    {
        TemplateTokenKind.Name or TemplateTokenKind.Operator => Text,
        TemplateTokenKind.Data => "template data / text",
        TemplateTokenKind.VariableBegin => "begin of print statement",
        TemplateTokenKind.VariableEnd => "end of print statement",
        TemplateTokenKind.BlockBegin => "begin of statement block",
        TemplateTokenKind.BlockEnd => "end of statement block",
        TemplateTokenKind.String => "string",
        TemplateTokenKind.Integer => "integer",
        TemplateTokenKind.Float => "float",
        _ => "end of template",
    };
}
