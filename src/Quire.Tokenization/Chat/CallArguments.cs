using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>The evaluated arguments of a call, a filter or a test.</summary>
internal sealed class CallArguments
{
    public static readonly CallArguments Empty = new([], []);

    public CallArguments(IReadOnlyList<TemplateValue> positional, IReadOnlyList<(string Name, TemplateValue Value)> named)
    {
        Positional = positional;
        Named = named;
    }

    public IReadOnlyList<TemplateValue> Positional { get; }

    public IReadOnlyList<(string Name, TemplateValue Value)> Named { get; }

    /// <summary>The argument at a place or, failing that, under a name.</summary>
    public TemplateValue? Find(int place, string name)
    {
        if (place < Positional.Count)
            return Positional[place];
        foreach ((string given, TemplateValue value) in Named)
        {
            if (given == name)
                return value;
        }
        return null;
    }

    /// <summary>The argument, which must be there.</summary>
    public TemplateValue Require(int place, string name, string function) => Find(place, name)
        ?? throw TemplateErrors.Type($"{function}() missing 1 required positional argument: '{name}'");

    /// <summary>Refuses arguments beyond those that <paramref name="names"/> lists, in their order.</summary>
    public CallArguments Expect(string function, params string[] names)
    {
        if (Positional.Count > names.Length)
            throw TemplateErrors.Type($"{function}() takes at most {names.Length} arguments ({Positional.Count} given)");
        foreach ((string given, _) in Named)
        {
            int place = System.Array.IndexOf(names, given);
            if (place < 0)
                throw TemplateErrors.Type($"{function}() got an unexpected keyword argument '{given}'");
            if (place < Positional.Count)
                throw TemplateErrors.Type($"{function}() got multiple values for argument '{given}'");
        }
        return this;
    }

    /// <summary>All but the first <paramref name="count"/> positional arguments.</summary>
    public CallArguments Skip(int count)
    {
        var rest = new List<TemplateValue>();
        for (int i = count; i < Positional.Count; i++)
            rest.Add(Positional[i]);
        return new CallArguments(rest, Named);
    }
}
