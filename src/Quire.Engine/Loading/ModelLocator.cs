using System;
using System.IO;
using Quire.Engine.Options;
using Quire.Models.Config;
using Quire.Models.Gguf;

namespace Quire.Engine.Loading;

/// <summary>Finds the folder that a model name means.</summary>
public static class ModelLocator
{
    /// <summary>The model that Quire ships with, and takes when none is named.</summary>
    public const string DefaultModel = "quill";

    /// <summary>As the options say: model, revision and download_dir.</summary>
    /// <exception cref="QuireException">There is no such model.</exception>
    public static string Locate(OptionSet options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Locate(options.GetText("model"), options.GetText("revision"), options.GetText("download_dir"));
    }

    /// <summary>The folder of the tokenizer: the option's, else the model's.</summary>
    /// <exception cref="QuireException">There is no such folder.</exception>
    public static string LocateTokenizer(OptionSet options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.GetText("tokenizer") is { } tokenizer
            ? Locate(tokenizer, options.GetText("tokenizer_revision"), options.GetText("download_dir"))
            : Locate(options);
    }

    /// <summary>
    /// The folder of <paramref name="model"/>: a path as it stands; for the model that ships with Quire, <c>models/quill</c> in the current
    /// folder, beside the program, or in a folder above it; or the snapshot of a model in the Hugging Face cache.
    /// </summary>
    /// <param name="model">A path or a name.</param>
    /// <param name="revision">Branch, tag or commit of a model in the cache; null is its main branch.</param>
    /// <param name="cache">The cache's folder; null is where Hugging Face's tools keep it.</param>
    /// <exception cref="QuireException">There is nothing at the path and nothing in the cache.</exception>
    public static string Locate(string? model, string? revision = null, string? cache = null)
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

        cache ??= HubCache.DefaultFolder;
        return HubCache.Find(name, revision, cache) ?? throw NotFound(name, revision, cache);
    }

    private static QuireException NotFound(string name, string? revision, string cache)
    {
        string message = $"there is no model at '{name}'; give the path of a folder with config.json, weights and tokenizer files (models are not downloaded)";
        if (HubCache.IsName(name) && name.Contains('/', StringComparison.Ordinal))
        {
            string of = revision is null ? "" : $" with revision {revision}";
            string flag = revision is null ? "" : $" --revision {revision}";
            message = $"there is no folder '{name}', and {HubCache.ModelFolder(name, cache)} holds no snapshot{of}; models are not downloaded: where there is a "
                + $"network, run `hf download {name}{flag}`, or give the path of a folder (download_dir and HF_HOME say where the cache is)";
        }

        return new QuireException(ErrorCodes.ModelNotFound, ErrorKind.Usage, message, "model");
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
