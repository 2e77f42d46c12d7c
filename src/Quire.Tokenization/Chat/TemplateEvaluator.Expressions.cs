using System;
using System.Collections.Generic;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <content>Expressions.</content>
internal sealed partial class TemplateEvaluator
{
    public TemplateValue Evaluate(Expression expression, TemplateScope scope)
    {
        // Leaves need no counting of their own: the node above them was counted.
        switch (expression)
        {
            case ConstantExpression constant:
                return constant.Value;
            case NameExpression name:
                return scope.TryGet(name.Name, out TemplateValue found) ? found : TemplateErrors.MissingName(name.Name);
            default:
                break;
        }
        Enter(expression.Line);
        TemplateValue value;
        try
        {
            value = Dispatch(expression, scope);
        }
        catch (ChatTemplateException exception) when (exception.Line == 0)
        {
            throw new ChatTemplateException(exception.Kind, exception.Message, expression.Line);
        }
        Leave();
        return value;
    }

    /// <summary>Applies a filter or a call of one by name, as <c>map('upper')</c> does.</summary>
    public TemplateValue ApplyFilter(string name, TemplateValue target, CallArguments arguments)
    {
        Spend(1);
        return TemplateFilters.Apply(this, name, target, arguments);
    }

    private TemplateValue Dispatch(Expression expression, TemplateScope scope) => expression switch
    {
        AttributeExpression attribute => Members.Attribute(Evaluate(attribute.Target, scope), attribute.Name),
        ItemExpression { Key: SliceExpression slice } item => EvaluateSlice(item, slice, scope),
        ItemExpression { Key: ListExpression { Tuple: true } keys } item when Array.Exists(keys.Items, static key => key is SliceExpression) =>
            NoElement(Evaluate(item.Target, scope)),
        ItemExpression item => Members.Item(this, Evaluate(item.Target, scope), Evaluate(item.Key, scope)),
        BinaryExpression binary => Operators.Apply(this, binary.Operator, Evaluate(binary.Left, scope), Evaluate(binary.Right, scope)),
        CallExpression call => EvaluateCall(call, scope, caller: null),
        FilterExpression filter => ApplyFilter(filter.Name, Evaluate(filter.Target!, scope), EvaluateArguments(filter.Arguments, scope)),
        TestExpression test => EvaluateTest(test, scope),
        ComparisonExpression comparison => EvaluateComparison(comparison, scope),
        LogicalExpression logical => EvaluateLogical(logical, scope),
        UnaryExpression unary => Operators.Apply(unary.Operator, Evaluate(unary.Operand, scope)),
        ConditionalExpression conditional => EvaluateConditional(conditional, scope),
        ConcatenationExpression concatenation => EvaluateConcatenation(concatenation, scope),
        ListExpression list => new ListValue(EvaluateAll(list.Items, scope), list.Tuple ? ListKind.Tuple : ListKind.List),
        DictionaryExpression dictionary => EvaluateDictionary(dictionary, scope),
        _ => throw new InvalidOperationException($"The expression {expression.GetType().Name} is not known."),
    };

    /// <summary>Nothing has slices beside other indices as a key, so <c>a[1:2, 3]</c> is undefined for whatever a is.</summary>
    private static UndefinedValue NoElement(TemplateValue owner) => new(() => $"'{owner.TypeName} object' has no element of several indices");

    private TemplateValue[] EvaluateAll(Expression[] expressions, TemplateScope scope)
    {
        var values = new TemplateValue[expressions.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = Evaluate(expressions[i], scope);
        return values;
    }

    private DictionaryValue EvaluateDictionary(DictionaryExpression dictionary, TemplateScope scope)
    {
        var builder = new DictionaryBuilder();
        for (int i = 0; i < dictionary.KeysAndValues.Length; i += 2)
            builder.Set(Evaluate(dictionary.KeysAndValues[i], scope), Evaluate(dictionary.KeysAndValues[i + 1], scope));
        return builder.Build();
    }

    private TemplateValue EvaluateSlice(ItemExpression item, SliceExpression slice, TemplateScope scope)
    {
        TemplateValue target = Evaluate(item.Target, scope);
        TemplateValue start = slice.Start is null ? TemplateValue.None : Evaluate(slice.Start, scope);
        TemplateValue stop = slice.Stop is null ? TemplateValue.None : Evaluate(slice.Stop, scope);
        TemplateValue step = slice.Step is null ? TemplateValue.None : Evaluate(slice.Step, scope);
        return Members.Slice(this, target, start, stop, step);
    }

    private TemplateValue EvaluateCall(CallExpression call, TemplateScope scope, MacroValue? caller)
    {
        TemplateValue target = Evaluate(call.Target, scope);
        CallArguments arguments = EvaluateArguments(call.Arguments, scope);
        if (caller is not null)
            arguments = new CallArguments(arguments.Positional, [.. arguments.Named, ("caller", caller)]);
        return target switch
        {
            CallableValue callable => callable.Call(this, arguments),
            UndefinedValue undefined => throw TemplateErrors.Undefined(undefined),
            _ => throw TemplateErrors.Type($"'{target.TypeName}' object is not callable"),
        };
    }

    private CallArguments EvaluateArguments(ArgumentList list, TemplateScope scope)
    {
        if (list.Positional.Length == 0 && list.Named.Length == 0 && list.MorePositional is null && list.MoreNamed is null)
            return CallArguments.Empty;
        var positional = new List<TemplateValue>(EvaluateAll(list.Positional, scope));
        if (list.MorePositional is not null)
            positional.AddRange(Operators.Items(Evaluate(list.MorePositional, scope)));
        var named = new List<(string Name, TemplateValue Value)>();
        foreach ((string name, Expression value) in list.Named)
            named.Add((name, Evaluate(value, scope)));
        if (list.MoreNamed is not null)
            AddNamed(named, Evaluate(list.MoreNamed, scope));
        Charge(positional.Count + named.Count);
        return new CallArguments(positional, named);
    }

    private static void AddNamed(List<(string Name, TemplateValue Value)> named, TemplateValue more)
    {
        if (more is not DictionaryValue dictionary)
            throw TemplateErrors.Type($"argument after ** must be a mapping, not {more.TypeName}");
        foreach (KeyValuePair<TemplateValue, TemplateValue> item in dictionary.Items)
            named.Add((item.Key is StringValue name ? name.Value : throw TemplateErrors.Type("keywords must be strings"), item.Value));
    }

    private TemplateValue ApplyFilters(Expression filters, TemplateValue text, TemplateScope scope)
    {
        var filter = (FilterExpression)filters;
        TemplateValue target = filter.Target is null ? text : ApplyFilters(filter.Target, text, scope);
        return ApplyFilter(filter.Name, target, EvaluateArguments(filter.Arguments, scope));
    }

    private BooleanValue EvaluateTest(TestExpression test, TemplateScope scope)
    {
        TemplateValue target = Evaluate(test.Target, scope);
        bool holds = TemplateTests.Holds(this, test.Name, target, EvaluateArguments(test.Arguments, scope));
        return holds ? BooleanValue.True : BooleanValue.False;
    }

    private BooleanValue EvaluateComparison(ComparisonExpression comparison, TemplateScope scope)
    {
        TemplateValue left = Evaluate(comparison.First, scope);
        for (int i = 0; i < comparison.Operators.Length; i++)
        {
            TemplateValue right = Evaluate(comparison.Operands[i], scope);
            if (!Operators.Compare(this, comparison.Operators[i], left, right))
                return BooleanValue.False;
            left = right;
        }
        return BooleanValue.True;
    }

    private TemplateValue EvaluateLogical(LogicalExpression logical, TemplateScope scope)
    {
        TemplateValue left = Evaluate(logical.Left, scope);
        return Operators.IsTrue(left) == logical.And ? Evaluate(logical.Right, scope) : left;
    }

    private TemplateValue EvaluateConditional(ConditionalExpression conditional, TemplateScope scope)
    {
        if (Operators.IsTrue(Evaluate(conditional.Test, scope)))
            return Evaluate(conditional.Then, scope);
        int line = conditional.Line;
        return conditional.Otherwise is not null
            ? Evaluate(conditional.Otherwise, scope)
            : new UndefinedValue(() => $"the inline if-expression on line {line} evaluated to false and no else section was defined.");
    }

    private StringValue EvaluateConcatenation(ConcatenationExpression concatenation, TemplateScope scope)
    {
        var text = new StringBuilder();
        foreach (Expression part in concatenation.Parts)
        {
            string added = PythonText.Str(Evaluate(part, scope));
            CheckText((long)text.Length + added.Length);
            Charge(added.Length);
            text.Append(added);
        }
        return new StringValue(text.ToString());
    }
}
