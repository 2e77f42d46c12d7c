using System;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>Python's operators on template values.</summary>
internal static class Operators
{
    // Larger exponents cannot give an integer within bounds, except for bases that do not grow.
    private const int ExponentMax = 20_000;

    /// <summary><c>bool(value)</c>.</summary>
    public static bool IsTrue(TemplateValue value) => value switch
    {
        BooleanValue truth => truth.Value,
        NoneValue or UndefinedValue => false,
        StringValue text => text.Value.Length > 0,
        IntegerValue integer => !integer.Value.IsZero,
        FloatValue number => number.Value != 0,
        ListValue { Kind: not ListKind.Generator } list => list.Items.Length > 0,
        DictionaryValue dictionary => dictionary.Count > 0,
        _ => true,
    };

    /// <summary>What iterating gives: items, the keys of a dictionary, the characters of a string.</summary>
    public static TemplateValue[] Items(TemplateValue value) => value switch
    {
        ListValue list => list.Items,
        DictionaryValue dictionary => dictionary.Keys(),
        StringValue text => Array.ConvertAll(PythonText.Characters(text.Value), character => (TemplateValue)new StringValue(character)),
        UndefinedValue => [],
        _ => throw TemplateErrors.NotIterable(value),
    };

    /// <summary><c>len(value)</c>.</summary>
    public static int Length(TemplateValue value) => value switch
    {
        StringValue text => PythonText.Length(text.Value),
        ListValue { Kind: not ListKind.Generator } list => list.Items.Length,
        DictionaryValue dictionary => dictionary.Count,
        UndefinedValue => 0,
        _ => throw TemplateErrors.Type($"object of type '{value.TypeName}' has no len()"),
    };

    public static TemplateValue Apply(UnaryOperator operation, TemplateValue operand)
    {
        if (operation == UnaryOperator.Not)
            return IsTrue(operand) ? BooleanValue.False : BooleanValue.True;
        bool negate = operation == UnaryOperator.Negate;
        if (operand is FloatValue number)
            return new FloatValue(negate ? -number.Value : number.Value);
        if (Numbers.TryInteger(operand, out BigInteger integer))
            return new IntegerValue(negate ? -integer : integer);
        if (operand is UndefinedValue undefined)
            throw TemplateErrors.Undefined(undefined);
        throw TemplateErrors.Type($"bad operand type for unary {(negate ? '-' : '+')}: '{operand.TypeName}'");
    }

    public static TemplateValue Apply(TemplateEvaluator evaluator, string operation, TemplateValue left, TemplateValue right)
    {
        if (left is UndefinedValue leftUndefined)
            throw TemplateErrors.Undefined(leftUndefined);
        if (right is UndefinedValue rightUndefined && !(operation == "%" && left is StringValue))
            throw TemplateErrors.Undefined(rightUndefined);
        if (Numbers.TryInteger(left, out BigInteger a) && Numbers.TryInteger(right, out BigInteger b))
            return Integers(operation, a, b);
        if (Numbers.TryFloat(left, out double x) && Numbers.TryFloat(right, out double y))
            return Floats(operation, x, y);
        switch (operation, left, right)
        {
            case ("+", StringValue first, StringValue second):
                evaluator.ChargeText((long)first.Value.Length + second.Value.Length);
                return new StringValue(first.Value + second.Value);
            case ("+", ListValue first, ListValue second) when first.Kind == second.Kind && first.Kind is ListKind.List or ListKind.Tuple:
                evaluator.Charge((long)first.Items.Length + second.Items.Length);
                return new ListValue([.. first.Items, .. second.Items], first.Kind);
            case ("*", StringValue or ListValue, _) when Numbers.TryInteger(right, out BigInteger times):
                return Repeat(evaluator, left, times);
            case ("*", _, StringValue or ListValue) when Numbers.TryInteger(left, out BigInteger times):
                return Repeat(evaluator, right, times);
            case ("%", StringValue format, _):
                return evaluator.Text(PercentFormat.Format(evaluator, format.Value, right));
            default:
                throw Unsupported(operation, left, right);
        }
    }

    public static bool Compare(TemplateEvaluator evaluator, string operation, TemplateValue left, TemplateValue right)
    {
        switch (operation)
        {
            case "==" or "!=":
                evaluator.Charge(Math.Min(left.Size, right.Size));
                return ValueEquality.AreEqual(left, right) == (operation == "==");
            case "in":
                return Contains(evaluator, right, left);
            case "not in":
                return !Contains(evaluator, right, left);
            default:
                evaluator.Charge(Math.Min(left.Size, right.Size));
                int order = ValueOrder.Compare(left, right, operation);
                return order != 2 && operation switch
                {
                    "<" => order < 0,
                    "<=" => order <= 0,
                    ">" => order > 0,
                    _ => order >= 0,
                };
        }
    }

    /// <summary><c>item in container</c>.</summary>
    public static bool Contains(TemplateEvaluator evaluator, TemplateValue container, TemplateValue item)
    {
        evaluator.Charge(container.Size);
        switch (container)
        {
            case StringValue text:
                return item is StringValue part
                    ? text.Value.Contains(part.Value, StringComparison.Ordinal)
                    : throw TemplateErrors.Type($"'in <string>' requires string as left operand, not {item.TypeName}");
            case DictionaryValue dictionary:
                ValueEquality.RequireHashable(item);
                return dictionary.TryGet(item, out _);
            case ListValue list:
                return Array.Exists(list.Items, other => ValueEquality.AreEqual(other, item));
            case UndefinedValue:
                return false;
            default:
                throw TemplateErrors.Type($"argument of type '{container.TypeName}' is not iterable");
        }
    }

    private static TemplateValue Integers(string operation, BigInteger left, BigInteger right)
    {
        switch (operation)
        {
            case "+":
                return new IntegerValue(left + right);
            case "-":
                return new IntegerValue(left - right);
            case "*":
                return new IntegerValue(left * right);
            case "**":
                return Power(left, right);
            default:
                break;
        }
        if (right.IsZero)
        {
            throw TemplateErrors.Type(operation switch
            {
                "/" => "division by zero",
                "//" => "integer division or modulo by zero",
                _ => "integer modulo by zero",
            });
        }
        return operation switch
        {
            "/" => new FloatValue((double)left / (double)right),
            "//" => new IntegerValue(Numbers.FloorDivide(left, right)),
            _ => new IntegerValue(Numbers.FloorModulo(left, right)),
        };
    }

    private static TemplateValue Power(BigInteger left, BigInteger right)
    {
        if (right.Sign < 0)
        {
            return left.IsZero
                ? throw TemplateErrors.Type("0.0 cannot be raised to a negative power")
                : new FloatValue(Math.Pow((double)left, (double)right));
        }
        if (right <= ExponentMax && left.GetBitLength() * (long)right <= ExponentMax * 2)
            return new IntegerValue(BigInteger.Pow(left, (int)right));
        return BigInteger.Abs(left) <= BigInteger.One
            ? new IntegerValue(right.IsEven ? left * left : left)
            : throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"An integer has more than {IntegerValue.DigitsMax} digits.");
    }

    private static FloatValue Floats(string operation, double left, double right)
    {
        if (right == 0 && operation is "/" or "//" or "%")
        {
            throw TemplateErrors.Type(operation switch
            {
                "/" => "float division by zero",
                "//" => "float floor division by zero",
                _ => "float modulo",
            });
        }
        return new FloatValue(operation switch
        {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "/" => left / right,
            "//" => Math.Floor(left / right),
            "%" => Numbers.FloorModulo(left, right),
            _ => Math.Pow(left, right),
        });
    }

    private static TemplateValue Repeat(TemplateEvaluator evaluator, TemplateValue value, BigInteger times)
    {
        int length = value is StringValue text ? text.Value.Length : ((ListValue)value).Items.Length;
        BigInteger total = times.Sign < 0 ? 0 : times * length;
        evaluator.ChargeText(total > int.MaxValue ? long.MaxValue : (long)total);
        int count = length == 0 || times.Sign < 0 ? 0 : (int)times;
        if (value is StringValue repeated)
            return new StringValue(string.Create((int)total, repeated.Value, static (characters, part) => Fill(characters, part.AsSpan())));
        var list = (ListValue)value;
        if (list.Kind is not (ListKind.List or ListKind.Tuple))
            throw Unsupported("*", value, new IntegerValue(times));
        var items = new TemplateValue[count * length];
        Fill(items, list.Items.AsSpan());
        return new ListValue(items, list.Kind);
    }

    private static void Fill<T>(Span<T> target, ReadOnlySpan<T> part)
    {
        for (int start = 0; start < target.Length; start += part.Length)
            part.CopyTo(target[start..]);
    }

    private static ChatTemplateException Unsupported(string operation, TemplateValue left, TemplateValue right)
    {
        string shown = operation == "**" ? "** or pow()" : operation;
        return (operation, left, right) switch
        {
            ("+", StringValue, _) => TemplateErrors.Type($"can only concatenate str (not \"{right.TypeName}\") to str"),
            ("+", ListValue { Kind: ListKind.List }, _) =>
                TemplateErrors.Type($"can only concatenate list (not \"{right.TypeName}\") to list"),
            ("+", ListValue { Kind: ListKind.Tuple }, _) =>
                TemplateErrors.Type($"can only concatenate tuple (not \"{right.TypeName}\") to tuple"),
            ("*", StringValue or ListValue, _) => TemplateErrors.Type($"can't multiply sequence by non-int of type '{right.TypeName}'"),
            ("*", _, StringValue or ListValue) => TemplateErrors.Type($"can't multiply sequence by non-int of type '{left.TypeName}'"),
            _ => TemplateErrors.Type($"unsupported operand type(s) for {shown}: '{left.TypeName}' and '{right.TypeName}'"),
        };
    }
}
