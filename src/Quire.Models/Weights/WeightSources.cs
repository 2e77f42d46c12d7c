using System.IO;
using Quire.Models.Config;
using Quire.Models.Gguf;

namespace Quire.Models.Weights;

/// <summary>Opens the weights of a model, whichever format they have.</summary>
internal static class WeightSources
{
    /// <summary>The tensors of a model folder or of a GGUF file.</summary>
    /// <param name="path">The folder or file.</param>
    /// <param name="config">What was read from it before.</param>
    /// <param name="format">What the user asked for.</param>
    /// <exception cref="CheckpointException">The format asked for is not what is there, or the weights cannot be read.</exception>
    public static IWeightSource Open(string path, HfConfig config, LoadFormat format)
    {
        if (config.IsGguf && format == LoadFormat.Safetensors)
        {
            throw new CheckpointException(
                CheckpointProblem.Unsupported, $"load_format is safetensors, but {Path.GetFileName(path)} is a GGUF file; use load_format auto or gguf");
        }

        if (!config.IsGguf && format == LoadFormat.Gguf)
        {
            throw new CheckpointException(
                CheckpointProblem.Unsupported, $"load_format is gguf, but {path} is not a .gguf file; give the path of the file as the model");
        }

        return config.IsGguf ? GgufCheckpoint.Open(path) : CheckpointFiles.Open(path);
    }
}
