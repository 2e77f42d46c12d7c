namespace Quire.Tokenization.Engines;

/// <summary>What stands for text that the vocabulary lacks.</summary>
/// <param name="Id">The unknown token; without one, such text adds nothing.</param>
/// <param name="Fuse">Whether neighbouring unknowns become one token.</param>
internal readonly record struct UnknownRule(int? Id, bool Fuse);
