using System;
using System.Collections.Generic;
using System.Threading;

namespace Quire.Tokenization.Chat;

/// <summary>
/// A chat template: the part of Jinja 3.1 that models' templates use, with the settings of the Hugging Face library (sandboxed, immutable,
/// <c>trim_blocks</c> and <c>lstrip_blocks</c> on, loop controls, the <c>generation</c> tag). Parsed once; rendering is thread-safe.
/// </summary>
/// <remarks>
/// There is no way out of the sandbox because there is none in: no reflection, no files, no includes. Steps, text, recursion and nesting
/// are
/// bounded (<see cref="ChatTemplateLimits"/>).
/// </remarks>
public sealed class ChatTemplate
{
    private const int SourceMax = 4 << 20;

    private readonly ParsedTemplate _template;

    private ChatTemplate(string source, ParsedTemplate template)
    {
        Source = source;
        _template = template;
        IteratesContent = ContentFormat.IteratesContent(template);
    }

    /// <summary>The text of the template.</summary>
    public string Source { get; }

    /// <summary>
    /// Whether the template walks through the parts of a message's content (vLLM's content format "openai"). Otherwise messages should
    /// carry
    /// their content as one string (format "string").
    /// </summary>
    public bool IteratesContent { get; }

    /// <summary>Parses a template.</summary>
    /// <exception cref="ChatTemplateException">The template is not valid; the error has its line.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Length > SourceMax)
        {
            throw new ChatTemplateException(
                ChatTemplateErrorKind.Limit, $"The template has {source.Length} characters; at most {SourceMax} are supported.");
        }
        return new ChatTemplate(source, TemplateParser.Parse(source));
    }

    /// <summary>Whether the template reads a variable of that name: options that it does not know have no effect.</summary>
    public bool ReadsVariable(string name) => _template.Names.Contains(name);

    /// <summary>Renders a conversation within the default limits.</summary>
    /// <inheritdoc cref="Render(ChatTemplateInput, ChatTemplateLimits, CancellationToken)"/>
    public string Render(ChatTemplateInput input, CancellationToken cancellationToken = default) =>
        Render(input, ChatTemplateLimits.Default, cancellationToken);

    /// <summary>
    /// Renders a conversation within the default limits, so that nothing that messages, tools and documents say becomes one of these control tokens.
    /// </summary>
    /// <inheritdoc cref="Render(ChatTemplateInput, ChatTemplateLimits, CancellationToken)"/>
    public GuardedText Render(ChatTemplateInput input, ControlTokens guarded, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(guarded);
        return MessageGuard.For(guarded, Source, input) is { } guard
            ? guard.Restore(Render(guard.Apply(input), cancellationToken))
            : Render(input, cancellationToken);
    }

    /// <summary>Renders a conversation.</summary>
    /// <exception cref="ChatTemplateException">
    /// The template turned the conversation down, does not fit it, or reached a limit; <see cref="ChatTemplateException.Kind"/> tells
    /// which.
    /// </exception>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    public string Render(ChatTemplateInput input, ChatTemplateLimits limits, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(limits);
        var evaluator = new TemplateEvaluator(limits, input.Now, cancellationToken);
        var globals = new TemplateScope(outer: null);
        TemplateFunctions.AddTo(globals);
        var variables = new TemplateScope(globals);
        foreach ((string name, string text) in input.SpecialTokens ?? new Dictionary<string, string>())
            variables.Set(name, TemplateValue.From(text));
        variables.Set("tools", input.Tools ?? TemplateValue.None);
        variables.Set("documents", input.Documents ?? TemplateValue.None);
        variables.Set("add_generation_prompt", TemplateValue.From(input.AddGenerationPrompt));
        foreach ((string name, TemplateValue value) in input.Extra ?? new Dictionary<string, TemplateValue>())
            variables.Set(name, value);
        variables.Set("messages", input.Messages);
        return evaluator.Render(_template.Body, variables);
    }
}
