using System;
using System.IO;

namespace Quire.Engine.Loading;

/// <summary>Finds the folder that a model name means.</summary>
public static class ModelLocator
{
    /// <summary>The model that Quire ships with, and takes when none is named.</summary>
    public const string DefaultModel = "quill";

    /// <summary>
    /// The folder of <paramref name="model"/>: a path as it stands; or, for the model that ships with Quire, <c>models/quill</c> in the
    /// current folder, beside the program, or in a folder above it.
    /// </summary>
    /// <exception cref="QuireException">There is nothing at the path.</exception>
    public static string Locate(string? model)
    {
        string name = model ?? DefaultModel;
        if (Directory.Exists(name) || File.Exists(name))
        {
            return name;
        }

        if (name is DefaultModel or "models/quill" && FindShipped() is { } shipped)
        {
            return shipped;
        }

        throw new QuireException(ErrorCodes.ModelNotFound, ErrorKind.Usage,
            $"there is no model at '{name}'; give the path of a folder with config.json, weights and tokenizer files (models are not downloaded)", "model");
    }

    private static string? FindShipped()
    {
        foreach (string start in (ReadOnlySpan<string>)[Directory.GetCurrentDirectory(), AppContext.BaseDirectory])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string candidate = Path.Combine(folder.FullName, "models", DefaultModel);
                if (File.Exists(Path.Combine(candidate, "config.json")))
                {
                    return candidate;
                }
            }
        }

        return null;
    }
}
