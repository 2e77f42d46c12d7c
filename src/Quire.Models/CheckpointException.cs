using System;

namespace Quire.Models;

/// <summary>What kind of fault a <see cref="CheckpointException"/> reports.</summary>
public enum CheckpointProblem
{
    /// <summary>A folder, a file or a shard is not there.</summary>
    MissingFile,

    /// <summary>A file breaks the rules of its format: truncated, overlapping, out of range.</summary>
    Malformed,

    /// <summary>A format, an architecture or a variant that is not supported, or refused for safety.</summary>
    Unsupported,

    /// <summary>A value of config.json, generation_config.json or of an option laid over them is missing or impossible.</summary>
    Configuration,

    /// <summary>The tensors of the checkpoint are not those that config.json promises.</summary>
    WeightMismatch,
}

/// <summary>
/// A model folder that cannot be used. The message names the file or key, the value, the limit and the way out, and is meant to be shown as it is.
/// </summary>
public sealed class CheckpointException(CheckpointProblem problem, string message, Exception? cause = null) : Exception(message, cause)
{
    public CheckpointProblem Problem { get; } = problem;
}
