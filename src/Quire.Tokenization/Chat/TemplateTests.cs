using System;
using System.Collections.Frozen;
using System.Linq;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary>The tests of <c>value is test</c>.</summary>
internal static class TemplateTests
{
    private static readonly FrozenSet<string> Names = FrozenSet.Create(
        StringComparer.Ordinal,
        "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true", "integer", "float",
        "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable", "sameas", "escaped", "in", "eq", "equalto", "ne", "gt",
        "greaterthan", "ge", "lt", "lessthan", "le", "==", "!=", ">", ">=", "<", "<=");

    public static bool Exists(string name) => Names.Contains(name);

    public static bool Holds(TemplateEvaluator evaluator, string name, TemplateValue value, CallArguments arguments)
    {
        switch (name)
        {
            case "defined":
                return value is not UndefinedValue;
            case "undefined":
                return value is UndefinedValue;
            case "none":
                return value is NoneValue;
            case "boolean":
                return value is BooleanValue;
            case "true":
                return value is BooleanValue { Value: true };
            case "false":
                return value is BooleanValue { Value: false };
            case "integer":
                return value is IntegerValue;
            case "float":
                return value is FloatValue;
            case "number":
                return value is IntegerValue or FloatValue or BooleanValue;
            case "string":
                return value is StringValue;
            case "mapping":
                return value is DictionaryValue;
            case "sequence":
                return value is StringValue or DictionaryValue or UndefinedValue or ListValue { Kind: ListKind.List or ListKind.Tuple };
            case "iterable":
                return value is StringValue or DictionaryValue or UndefinedValue or ListValue;
            case "callable":
                return value is CallableValue or UndefinedValue;
            case "escaped":
                return false;
            case "lower":
                return IsCased(value, Rune.IsLower, Rune.IsUpper);
            case "upper":
                return IsCased(value, Rune.IsUpper, Rune.IsLower);
            case "even":
                return IsDivisible(evaluator, value, TemplateValue.From(2L));
            case "odd":
                return ValueEquality.AreEqual(Operators.Apply(evaluator, "%", value, TemplateValue.From(2L)), TemplateValue.From(1L));
            case "divisibleby":
                return IsDivisible(evaluator, value, arguments.Expect(name, "num").Require(0, "num", name));
            case "filter":
                return value is StringValue filter && TemplateFilters.Exists(filter.Value);
            case "test":
                return value is StringValue test && Exists(test.Value);
            case "in":
                return Operators.Contains(evaluator, arguments.Expect(name, "seq").Require(0, "seq", name), value);
            case "sameas":
                return IsSame(value, arguments.Expect(name, "other").Require(0, "other", name));
            default:
                return Operators.Compare(evaluator, OperatorOf(name), value, arguments.Expect(name, "other").Require(0, "other", name));
        }
    }

    private static string OperatorOf(string name) => name switch
    {
        "eq" or "equalto" or "==" => "==",
        "ne" or "!=" => "!=",
        "gt" or "greaterthan" or ">" => ">",
        "ge" or ">=" => ">=",
        "lt" or "lessthan" or "<" => "<",
        "le" or "<=" => "<=",
        _ => throw new ChatTemplateException(ChatTemplateErrorKind.Runtime, $"No test named '{name}'."),
    };

    private static bool IsDivisible(TemplateEvaluator evaluator, TemplateValue value, TemplateValue by)
    {
        TemplateValue remainder = Operators.Apply(evaluator, "%", value, by);
        return ValueEquality.AreEqual(remainder, TemplateValue.From(0L));
    }

    private static bool IsCased(TemplateValue value, Func<Rune, bool> wanted, Func<Rune, bool> unwanted)
    {
        string text = PythonText.Str(value);
        return text.EnumerateRunes().Any(wanted) && !text.EnumerateRunes().Any(unwanted);
    }

    // Identity: small integers and equal strings of a template are one object in Python; lists and dictionaries only when they are one
    // here.
    private static bool IsSame(TemplateValue left, TemplateValue right) => ReferenceEquals(left, right)
        || (left.TypeName == right.TypeName && left is StringValue or IntegerValue && ValueEquality.AreEqual(left, right));
}
