using System;
using System.Collections.Generic;
using System.IO;
using Quire.Models;
using Quire.Models.Gguf;
using Quire.Tokenization;
using Quire.Tokenization.Chat;
using Quire.Tokenization.Gguf;

namespace Quire.Engine.Loading;

/// <summary>The tokenizer and the chat templates of a model, whether they are files of a folder or keys of a GGUF file.</summary>
public static class ModelText
{
    private const string Template = "tokenizer.chat_template";
    private const string ToolTemplate = "tokenizer.chat_template.tool_use";
    private const string Prefix = "tokenizer.ggml.";
    private const int MergesMax = 1 << 23;

    /// <summary>The tokenizer of a model folder or GGUF file.</summary>
    /// <exception cref="TokenizerException">There is none, or it cannot be used.</exception>
    /// <exception cref="CheckpointException">The GGUF file is damaged.</exception>
    public static ITokenizer LoadTokenizer(string path)
    {
        if (!GgufFile.IsGguf(path))
            return TokenizerLoader.Load(path);
        using GgufFile file = GgufFile.Open(GgufCheckpoint.FirstPart(path));
        return TokenizerLoader.FromGguf(Vocabulary(file));
    }

    /// <summary>The chat templates of a model folder or GGUF file, or null when it has none.</summary>
    /// <exception cref="ChatTemplateException">A template is not valid.</exception>
    /// <exception cref="TokenizerException">A file cannot be read.</exception>
    /// <exception cref="CheckpointException">The GGUF file is damaged.</exception>
    public static ChatTemplateSet? LoadTemplates(string path)
    {
        if (!GgufFile.IsGguf(path))
            return ChatTemplateLoader.Load(path);
        using GgufFile file = GgufFile.Open(GgufCheckpoint.FirstPart(path));
        return file.Metadata.Text(Template) is { } source
            ? new ChatTemplateSet(ChatTemplate.Parse(source), file.Metadata.Text(ToolTemplate) is { } tools ? ChatTemplate.Parse(tools) : null)
            : null;
    }

    private static GgufVocabulary Vocabulary(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        var roles = new Dictionary<string, int>();
        foreach (string role in (ReadOnlySpan<string>)["bos", "eos", "unknown", "padding"])
        {
            if (GgufTokens.Id(metadata, role + "_token_id") is { } id)
                roles.Add(role, id);
        }

        return new GgufVocabulary
        {
            File = Path.GetFileName(file.Path),
            Model = metadata.Text(Prefix + "model"),
            Pre = metadata.Text(Prefix + "pre"),
            Tokens = metadata.Texts(Prefix + "tokens", GgufTokens.TokensMax) ?? [],
            Types = Array.ConvertAll(metadata.Integers(Prefix + "token_type", GgufTokens.TokensMax) ?? [], static type => (GgufTokenType)type),
            Scores = metadata.Singles(Prefix + "scores", GgufTokens.TokensMax) ?? [],
            Merges = metadata.Texts(Prefix + "merges", MergesMax) ?? [],
            Roles = roles,
            AddBos = metadata.Flag(Prefix + "add_bos_token"),
            AddEos = metadata.Flag(Prefix + "add_eos_token"),
            AddSpacePrefix = metadata.Flag(Prefix + "add_space_prefix"),
            RemoveExtraSpaces = metadata.Flag(Prefix + "remove_extra_whitespaces"),
        };
    }
}
