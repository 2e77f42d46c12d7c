using System.Text;

namespace Quire.Tokenization;

/// <summary>
/// Turns a growing sequence of tokens into text. Holds only what it cannot yet send: a few bytes of an unfinished character, or a run of
/// byte tokens whose reading depends on what follows. Belongs to one sequence; not thread-safe.
/// </summary>
public abstract class TokenTextStream
{
    /// <summary>Takes the next token and appends the text that no later token can change.</summary>
    public abstract void Append(int id, StringBuilder destination);

    /// <summary>
    /// Appends what is still held, as it reads when nothing follows (unfinished characters become U+FFFD), and starts anew.
    /// </summary>
    public abstract void Flush(StringBuilder destination);
}
