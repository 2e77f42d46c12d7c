using System;
using System.Collections.Generic;
using System.IO;
using Quire.Models;
using Quire.Models.Config;
using Quire.Models.Gguf;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tokenization;
using Quire.Tokenization.Chat;
using Quire.Tokenization.Gguf;

namespace Quire.Engine.Loading;

/// <summary>Writes a model folder as one GGUF file: weights, configuration, tokenizer and chat template.</summary>
public static class GgufConverter
{
    /// <summary>Converts a folder. The same folder and type give the same bytes.</summary>
    /// <param name="folder">A model folder in Hugging Face layout.</param>
    /// <param name="outputType">One of <see cref="GgufExport.OutputTypes"/>.</param>
    /// <param name="target">The file to write; one that is there is replaced once the new one is whole.</param>
    /// <param name="progress">Told after every tensor, or null.</param>
    /// <exception cref="QuireException">The folder cannot be used, has no form in GGUF, or the file cannot be written.</exception>
    public static void Convert(string folder, string outputType, string target, IProgress<LoadProgress>? progress = null)
    {
        string unfinished = target + ".part";
        try
        {
            GgufTokenizerKeys tokenizer = TokenizerKeys(folder);
            string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
            using (FileStream stream = new(unfinished, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
            {
                GgufExport.Write(folder, name, outputType, tokenizer, stream, progress);
            }

            File.Move(unfinished, target, overwrite: true);
        }
        catch (CheckpointException exception)
        {
            File.Delete(unfinished);
            throw LoadErrors.From(exception);
        }
        catch (Exception exception) when (exception is TokenizerException or ChatTemplateException)
        {
            throw new QuireException(ErrorCodes.BadTokenizer, ErrorKind.Usage, exception.Message, "model", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new QuireException(ErrorCodes.UnreadableFile, ErrorKind.Usage, $"{target} cannot be written: {exception.Message}", "output", exception);
        }
    }

    private static GgufTokenizerKeys TokenizerKeys(string folder)
    {
        HfConfig config = HfConfig.Load(folder);
        GgufVocabulary vocabulary = GgufVocabularyExport.FromFolder(folder, ArchitectureRegistry.Define(config, DType.BF16).Spec.VocabularySize);
        var ids = new List<KeyValuePair<string, int>>();
        foreach (string role in (ReadOnlySpan<string>)["bos", "eos", "unknown", "padding"])
        {
            if (vocabulary.Roles.TryGetValue(role, out int id))
                ids.Add(new(role + "_token_id", id));
        }

        AddEnds(folder, config, vocabulary, ids);
        var flags = new List<KeyValuePair<string, bool>>
        {
            new("add_bos_token", vocabulary.AddBos == true),
            new("add_eos_token", vocabulary.AddEos == true),
        };
        if (vocabulary.AddSpacePrefix is { } prefix)
            flags.Add(new("add_space_prefix", prefix));
        return new GgufTokenizerKeys
        {
            Model = vocabulary.Model!,
            Pre = vocabulary.Pre!,
            Tokens = vocabulary.Tokens,
            Types = [.. System.Linq.Enumerable.Select(vocabulary.Types, type => (int)type)],
            Scores = vocabulary.Scores,
            Merges = vocabulary.Merges,
            Ids = ids,
            Flags = flags,
            ChatTemplate = ChatTemplateLoader.Load(folder)?.Default.Source,
        };
    }

    /// <summary>The format has one end of text and one end of turn; a model with more of them names the first two.</summary>
    private static void AddEnds(string folder, HfConfig config, GgufVocabulary vocabulary, List<KeyValuePair<string, int>> ids)
    {
        GenerationConfig generation = GenerationConfig.Load(folder);
        IReadOnlyList<int> ends = generation.EosTokenIds.Count > 0 ? generation.EosTokenIds : config.EosTokenIds;
        int? first = vocabulary.Roles.TryGetValue("eos", out int eos) ? eos : null;
        foreach (int id in ends)
        {
            if (id >= vocabulary.Tokens.Count || id == first)
                continue;
            if (first is null)
            {
                first = id;
                ids.Add(new("eos_token_id", id));
                continue;
            }

            ids.Add(new("eot_token_id", id));
            return;
        }
    }
}
