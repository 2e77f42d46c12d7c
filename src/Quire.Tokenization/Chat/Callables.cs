using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>Something that a template can call.</summary>
internal abstract class CallableValue : TemplateValue
{
    public abstract TemplateValue Call(TemplateEvaluator evaluator, CallArguments arguments);
}

/// <summary>A function that every template has.</summary>
internal sealed class FunctionValue(string name, Func<TemplateEvaluator, CallArguments, TemplateValue> body) : CallableValue
{
    internal override string TypeName => name;

    /// <inheritdoc/>
    public override TemplateValue Call(TemplateEvaluator evaluator, CallArguments arguments) => body(evaluator, arguments);
}

/// <summary>A method together with the value it belongs to.</summary>
internal sealed class MethodValue(TemplateValue owner, string name) : CallableValue
{
    internal override string TypeName => "builtin_function_or_method";

    /// <inheritdoc/>
    public override TemplateValue Call(TemplateEvaluator evaluator, CallArguments arguments)
    {
        if (owner is StringValue text)
            return StringMethods.Call(evaluator, text.Value, name, arguments);
        evaluator.Charge(owner is DictionaryValue dictionary ? dictionary.Count : owner.Size);
        return CollectionMethods.Call(owner, name, arguments);
    }
}

/// <summary>A macro, or the body of a call block, with the scope that it was defined in.</summary>
internal sealed class MacroValue(MacroDefinition definition, TemplateScope scope) : CallableValue
{
    public MacroDefinition Definition { get; } = definition;

    internal override string TypeName => "Macro";

    /// <inheritdoc/>
    public override TemplateValue Call(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var inner = new TemplateScope(scope);
        Bind(evaluator, inner, arguments);
        return new StringValue(evaluator.Capture(Definition.Body, inner));
    }

    private void Bind(TemplateEvaluator evaluator, TemplateScope inner, CallArguments arguments)
    {
        string[] parameters = Definition.Parameters;
        var named = new List<(string Name, TemplateValue Value)>(arguments.Named);
        for (int i = 0; i < parameters.Length; i++)
        {
            int place = named.FindIndex(item => item.Name == parameters[i]);
            if (i < arguments.Positional.Count)
            {
                inner.Set(parameters[i], arguments.Positional[i]);
            }
            else if (place >= 0)
            {
                inner.Set(parameters[i], named[place].Value);
                named.RemoveAt(place);
            }
            else
            {
                int fallback = i - (parameters.Length - Definition.Defaults.Length);
                string parameter = parameters[i];
                inner.Set(parameter, fallback >= 0
                    ? evaluator.Evaluate(Definition.Defaults[fallback], inner)
                    : new UndefinedValue(() => $"parameter '{parameter}' was not provided"));
            }
        }
        BindRest(inner, arguments, named);
    }

    private void BindRest(TemplateScope inner, CallArguments arguments, List<(string Name, TemplateValue Value)> named)
    {
        int caller = named.FindIndex(item => item.Name == "caller");
        if (Definition.UsesCaller && Array.IndexOf(Definition.Parameters, "caller") < 0)
        {
            inner.Set("caller", caller >= 0 ? named[caller].Value : new UndefinedValue(() => "No caller defined"));
            if (caller >= 0)
                named.RemoveAt(caller);
        }
        if (Definition.UsesMoreNamed)
        {
            var builder = new DictionaryBuilder();
            foreach ((string name, TemplateValue value) in named)
                builder.Set(new StringValue(name), value);
            inner.Set("kwargs", builder.Build());
        }
        else if (named.Count > 0)
        {
            throw TemplateErrors.Type(named.Exists(item => item.Name == "caller")
                ? $"macro '{Definition.Name}' was invoked with two values for the special caller argument. This is most likely a bug."
                : $"macro '{Definition.Name}' takes no keyword argument '{named[0].Name}'");
        }
        int count = Definition.Parameters.Length;
        if (Definition.UsesMorePositional)
            inner.Set("varargs", new ListValue([.. arguments.Skip(count).Positional], ListKind.Tuple));
        else if (arguments.Positional.Count > count)
            throw TemplateErrors.Type($"macro '{Definition.Name}' takes not more than {count} argument(s)");
    }
}

/// <summary>The <c>loop</c> variable; calling it runs the loop again on other items, when the loop is recursive.</summary>
internal sealed class LoopValue(TemplateValue[] items, int depth, Func<TemplateValue, TemplateValue>? recurse) : CallableValue
{
    private TemplateValue? _lastChanged;

    public int Index { get; set; }

    internal override string TypeName => "LoopContext";

    /// <inheritdoc/>
    public override TemplateValue Call(TemplateEvaluator evaluator, CallArguments arguments)
    {
        if (recurse is null)
            throw TemplateErrors.Type("The loop must have the 'recursive' marker to be called recursively.");
        return recurse(arguments.Expect("loop", "iterable").Require(0, "iterable", "loop"));
    }

    public TemplateValue? Attribute(string name) => name switch
    {
        "index" => From(Index + 1),
        "index0" => From(Index),
        "revindex" => From(items.Length - Index),
        "revindex0" => From(items.Length - Index - 1),
        "first" => From(Index == 0),
        "last" => From(Index == items.Length - 1),
        "length" => From(items.Length),
        "depth" => From(depth + 1),
        "depth0" => From(depth),
        "previtem" => Index > 0 ? items[Index - 1] : new UndefinedValue(() => "there is no previous item"),
        "nextitem" => Index + 1 < items.Length ? items[Index + 1] : new UndefinedValue(() => "there is no next item"),
        "cycle" => new FunctionValue("cycle", Cycle),
        "changed" => new FunctionValue("changed", Changed),
        _ => null,
    };

    private TemplateValue Cycle(TemplateEvaluator evaluator, CallArguments arguments) => arguments.Positional.Count > 0
        ? arguments.Positional[Index % arguments.Positional.Count]
        : throw TemplateErrors.Type("no items for cycling given");

    private BooleanValue Changed(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var given = new ListValue([.. arguments.Positional], ListKind.Tuple);
        bool changed = _lastChanged is null || !ValueEquality.AreEqual(_lastChanged, given);
        _lastChanged = given;
        return changed ? BooleanValue.True : BooleanValue.False;
    }
}
