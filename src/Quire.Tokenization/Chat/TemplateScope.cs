using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>Variables of a block and of those around it. Assigning changes the innermost block only.</summary>
internal sealed class TemplateScope(TemplateScope? outer)
{
    private Dictionary<string, TemplateValue>? _variables;

    public void Set(string name, TemplateValue value) => (_variables ??= new(StringComparer.Ordinal))[name] = value;

    public bool TryGet(string name, out TemplateValue value)
    {
        for (TemplateScope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._variables is not null && scope._variables.TryGetValue(name, out TemplateValue? found))
            {
                value = found;
                return true;
            }
        }
        value = TemplateValue.None;
        return false;
    }

    private TemplateScope? Outer { get; } = outer;
}
