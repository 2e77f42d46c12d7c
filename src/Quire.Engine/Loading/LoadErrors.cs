using Quire.Models;

namespace Quire.Engine.Loading;

/// <summary>What is wrong with a model folder, as an error with a code.</summary>
public static class LoadErrors
{
    public static QuireException From(CheckpointException exception)
    {
        string code = exception.Problem switch
        {
            CheckpointProblem.MissingFile => ErrorCodes.ModelNotFound,
            CheckpointProblem.Configuration => ErrorCodes.BadModelConfig,
            CheckpointProblem.Unsupported => ErrorCodes.UnknownArchitecture,
            _ => ErrorCodes.BadCheckpoint,
        };
        return new QuireException(code, ErrorKind.Usage, exception.Message, "model", exception);
    }
}
