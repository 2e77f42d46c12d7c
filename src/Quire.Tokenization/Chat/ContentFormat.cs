using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Tells whether a template walks through the parts of a message's content, by the rule of vLLM: some <c>for</c> loop runs over
/// <c>message.content</c>, where <c>message</c> comes from a loop over <c>messages</c> or over a variable made from it.
/// </summary>
internal static class ContentFormat
{
    public static bool IteratesContent(ParsedTemplate template)
    {
        HashSet<string> conversations = VariablesMadeFrom(template, "messages");
        var messages = new HashSet<string>(StringComparer.Ordinal);
        foreach (ForStatement loop in template.Loops)
        {
            if (loop.Target is NameExpression target && Root(loop.Items) is NameExpression name && conversations.Contains(name.Name))
                messages.Add(target.Name);
        }
        foreach (ForStatement loop in template.Loops)
        {
            if (loop.Target is NameExpression && IsContent(Root(loop.Items), messages))
                return true;
        }
        return false;
    }

    private static HashSet<string> VariablesMadeFrom(ParsedTemplate template, string name)
    {
        var found = new HashSet<string>(StringComparer.Ordinal) { name };
        bool grew = true;
        while (grew)
        {
            grew = false;
            foreach (SetStatement set in template.Sets)
            {
                if (set.Target is NameExpression target && Root(set.Value) is NameExpression source && found.Contains(source.Name))
                    grew |= found.Add(target.Name);
            }
        }
        return found;
    }

    // What remains of an expression without its filters, tests and slices.
    private static Expression Root(Expression expression)
    {
        while (true)
        {
            switch (expression)
            {
                case FilterExpression { Target: { } target }:
                    expression = target;
                    break;
                case TestExpression test:
                    expression = test.Target;
                    break;
                case ItemExpression { Key: SliceExpression } item:
                    expression = item.Target;
                    break;
                default:
                    return expression;
            }
        }
    }

    private static bool IsContent(Expression expression, HashSet<string> messages) => expression switch
    {
        AttributeExpression { Name: "content", Target: NameExpression name } => messages.Contains(name.Name),
        ItemExpression { Key: ConstantExpression { Value: StringValue { Value: "content" } }, Target: NameExpression name } =>
            messages.Contains(name.Name),
        _ => false,
    };
}
