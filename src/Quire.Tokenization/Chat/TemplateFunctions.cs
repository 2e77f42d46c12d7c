using System.Collections.Generic;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>The functions that chat templates have besides their variables.</summary>
internal static class TemplateFunctions
{
    // The sandbox of Jinja draws the same line.
    private const int RangeMax = 100_000;

    /// <summary>Puts the functions into the outermost scope.</summary>
    public static void AddTo(TemplateScope scope)
    {
        scope.Set("raise_exception", new FunctionValue("raise_exception", Raise));
        scope.Set("strftime_now", new FunctionValue("strftime_now", Now));
        scope.Set("namespace", new FunctionValue("namespace", Namespace));
        scope.Set("dict", new FunctionValue("dict", Dictionary));
        scope.Set("range", new FunctionValue("range", Range));
    }

    private static TemplateValue Raise(TemplateEvaluator evaluator, CallArguments arguments)
    {
        TemplateValue message = arguments.Expect("raise_exception", "message").Require(0, "message", "raise_exception");
        throw new ChatTemplateException(ChatTemplateErrorKind.Raised, PythonText.Str(message));
    }

    private static StringValue Now(TemplateEvaluator evaluator, CallArguments arguments)
    {
        TemplateValue format = arguments.Expect("strftime_now", "format").Require(0, "format", "strftime_now");
        return evaluator.Text(TimeText.Format(evaluator.Now, PythonText.Str(format)));
    }

    private static NamespaceValue Namespace(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var space = new NamespaceValue();
        foreach (KeyValuePair<TemplateValue, TemplateValue> item in Dictionary(evaluator, arguments).Items)
            space.Attributes[PythonText.Str(item.Key)] = item.Value;
        return space;
    }

    private static DictionaryValue Dictionary(TemplateEvaluator evaluator, CallArguments arguments)
    {
        var builder = new DictionaryBuilder();
        if (arguments.Positional.Count > 1)
            throw TemplateErrors.Type($"dict expected at most 1 argument, got {arguments.Positional.Count}");
        if (arguments.Positional.Count == 1 && arguments.Positional[0] is DictionaryValue given)
        {
            builder.SetAll(given);
        }
        else if (arguments.Positional.Count == 1)
        {
            foreach (TemplateValue pair in Operators.Items(arguments.Positional[0]))
            {
                TemplateValue[] items = Operators.Items(pair);
                if (items.Length != 2)
                    throw TemplateErrors.Type($"dictionary update sequence element has length {items.Length}; 2 is required");
                builder.Set(items[0], items[1]);
            }
        }
        foreach ((string name, TemplateValue value) in arguments.Named)
            builder.Set(new StringValue(name), value);
        return builder.Build();
    }

    private static ListValue Range(TemplateEvaluator evaluator, CallArguments arguments)
    {
        arguments.Expect("range", "start", "stop", "step");
        bool one = arguments.Positional.Count == 1;
        BigInteger start = one ? 0 : Integer(arguments.Require(0, "start", "range"));
        BigInteger stop = Integer(one ? arguments.Positional[0] : arguments.Require(1, "stop", "range"));
        BigInteger step = arguments.Find(2, "step") is { } given ? Integer(given) : 1;
        if (step.IsZero)
            throw TemplateErrors.Type("range() arg 3 must not be zero");
        BigInteger distance = step.Sign > 0 ? stop - start : start - stop;
        BigInteger count = distance.Sign <= 0 ? 0 : ((distance - 1) / BigInteger.Abs(step)) + 1;
        if (count > RangeMax)
            throw TemplateErrors.Type($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({RangeMax}).");
        evaluator.Charge((long)count);
        var items = new TemplateValue[(int)count];
        for (int i = 0; i < items.Length; i++)
            items[i] = new IntegerValue(start + (i * step));
        string shown = step.IsOne ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})";
        return new ListValue(items, ListKind.View, shown);
    }

    private static BigInteger Integer(TemplateValue value) => Numbers.TryInteger(value, out BigInteger integer)
        ? integer
        : throw TemplateErrors.Type($"'{value.TypeName}' object cannot be interpreted as an integer");
}
