namespace Quire.Tokenization.Chat;

/// <summary>What one rendering may cost. Templates come with models, so they are bounded like any other input.</summary>
public sealed record ChatTemplateLimits
{
    public static readonly ChatTemplateLimits Default = new();

    /// <summary>Expressions and statements evaluated, and 16 characters or list items copied, count one each.</summary>
    public long StepsMax { get; init; } = 20_000_000;

    /// <summary>UTF-16 units of the rendered text, and of any string made on the way.</summary>
    public int TextMax { get; init; } = 32 << 20;
}
