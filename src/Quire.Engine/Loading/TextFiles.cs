using System;
using Quire.Engine.Options;
using Quire.Models.Config;
using Quire.Tokenization;
using Quire.Tokenization.Chat;

namespace Quire.Engine.Loading;

/// <summary>What a model folder holds besides weights: tokenizer, chat template, sampling defaults.</summary>
internal sealed record TextFiles(ITokenizer? Tokenizer, ChatTemplateSet? ChatTemplates, GenerationConfig GenerationConfig)
{
    /// <exception cref="QuireException">A file is broken; a missing tokenizer is one too, unless skip_tokenizer_init is set.</exception>
    public static TextFiles Load(string folder, ResolvedOptions options)
    {
        string tokenizerFolder = options.Asked.Tokenizer is null ? folder : ModelLocator.LocateTokenizer(options.Asked.Settings);
        ITokenizer? tokenizer = options.SkipTokenizerInit ? null : LoadTokenizer(tokenizerFolder);
        return new TextFiles(tokenizer, tokenizer is null ? null : LoadTemplates(tokenizerFolder, options), LoadDefaults(folder, options));
    }

    /// <summary>A tokenizer with ids that the model has no logits for belongs to another model.</summary>
    public void CheckVocabulary(int vocabularySize)
    {
        if (Tokenizer is not null && Tokenizer.VocabularySize > vocabularySize)
        {
            throw new QuireException(ErrorCodes.BadTokenizer, ErrorKind.Usage,
                $"the tokenizer has ids up to {Tokenizer.VocabularySize - 1}, but the model's vocabulary ends at {vocabularySize - 1}: "
                + "they do not belong together", "tokenizer");
        }
    }

    private static ITokenizer LoadTokenizer(string folder)
    {
        try
        {
            return ModelText.LoadTokenizer(folder);
        }
        catch (TokenizerException exception)
        {
            throw new QuireException(ErrorCodes.BadTokenizer, ErrorKind.Usage, exception.Message, "tokenizer", exception);
        }
    }

    private static ChatTemplateSet? LoadTemplates(string folder, ResolvedOptions options)
    {
        try
        {
            return options.Asked.ChatTemplate is { } named
                ? new ChatTemplateSet(ChatTemplateLoader.LoadExplicit(named))
                : ModelText.LoadTemplates(folder);
        }
        catch (Exception exception) when (exception is ChatTemplateException or TokenizerException)
        {
            throw new QuireException(ErrorCodes.BadChatTemplate, ErrorKind.Usage, exception.Message, "chat_template", exception);
        }
    }

    /// <summary>generation_config names where defaults come from; override_generation_config is laid over them.</summary>
    private static GenerationConfig LoadDefaults(string folder, ResolvedOptions options)
    {
        string? overrides = options.Asked.Settings.GetJson("override_generation_config")?.GetRawText();
        return options.GenerationConfig switch
        {
            "auto" => GenerationConfig.Load(folder, overrides),
            "vllm" => GenerationConfig.FromOverrides(overrides),
            { } other => GenerationConfig.Load(other, overrides),
        };
    }
}
