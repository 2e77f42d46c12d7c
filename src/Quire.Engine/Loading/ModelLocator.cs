using System;
using System.IO;
using Quire.Models.Config;
using Quire.Models.Gguf;

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
        if (File.Exists(name))
        {
            return name;
        }

        if (Directory.Exists(name))
        {
            return OnlyGguf(name) ?? name;
        }

        if (name is DefaultModel or "models/quill" && FindShipped() is { } shipped)
        {
            return shipped;
        }

        throw new QuireException(ErrorCodes.ModelNotFound, ErrorKind.Usage,
            $"there is no model at '{name}'; give the path of a folder with config.json, weights and tokenizer files (models are not downloaded)", "model");
    }

    /// <summary>The GGUF file of a folder that holds nothing else to load: one file, or the first part of one split model.</summary>
    private static string? OnlyGguf(string folder)
    {
        if (File.Exists(Path.Combine(folder, HfConfig.FileName)))
        {
            return null;
        }

        string? found = null;
        foreach (string file in Directory.EnumerateFiles(folder, "*" + GgufFile.Extension))
        {
            string first = GgufCheckpoint.FirstPart(file);
            if (found is not null && first != found)
            {
                throw new QuireException(ErrorCodes.ModelNotFound, ErrorKind.Usage,
                    $"{folder} holds several GGUF models ({Path.GetFileName(found)}, {Path.GetFileName(first)}, …); give the path of one of them", "model");
            }

            found = first;
        }

        return found;
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
