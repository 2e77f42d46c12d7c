namespace Quire.Tokenization.Engines;

/// <summary>A token that is matched in the text itself, before it is cut into pieces.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">Whether it matches only between characters that are not part of a word.</param>
/// <param name="StripLeft">Whether it takes the white space before it.</param>
/// <param name="StripRight">Whether it takes the white space behind it.</param>
/// <param name="Normalized">Whether it is looked for in the normalized text rather than in the raw one.</param>
/// <param name="Special">Whether it is a control token, left out of decoded text on request.</param>
internal sealed record AddedToken(
    int Id, string Content, bool SingleWord, bool StripLeft, bool StripRight, bool Normalized, bool Special);
