using System;
using System.Collections.Frozen;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>
/// <c>value.name</c>, <c>value[key]</c> and slices. As in Jinja a dot finds methods first and items second, brackets the other way round.
/// There is no reflection: what can be reached is what is listed.
/// </summary>
internal static class Members
{
    /// <summary>The tuples that groupby gives; their two items have names.</summary>
    public const string GroupName = "_GroupTuple";

    private static readonly FrozenSet<string> ListMethods = FrozenSet.Create(
        StringComparer.Ordinal, "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort");

    private static readonly FrozenSet<string> TupleMethods = FrozenSet.Create(StringComparer.Ordinal, "count", "index");

    private static readonly FrozenSet<string> DictionaryMethods = FrozenSet.Create(
        StringComparer.Ordinal, "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values");

    // The sandbox of chat templates forbids what would change a list or a dictionary in place.
    private static readonly FrozenSet<string> Mutators = FrozenSet.Create(
        StringComparer.Ordinal,
        "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update");

    public static TemplateValue Attribute(TemplateValue owner, string name)
    {
        if (owner is UndefinedValue undefined)
            throw TemplateErrors.Undefined(undefined);
        if (Method(owner, name) is { } method)
            return method;
        if ((name is "grouper" or "list") && owner is ListValue { Kind: ListKind.Tuple, ViewName: GroupName } group)
            return group.Items[name == "grouper" ? 0 : 1];
        return owner is DictionaryValue dictionary && dictionary.TryGet(new StringValue(name), out TemplateValue item)
            ? item
            : TemplateErrors.MissingMember(owner, new StringValue(name));
    }

    public static TemplateValue Item(TemplateEvaluator evaluator, TemplateValue owner, TemplateValue key)
    {
        switch (owner)
        {
            case UndefinedValue undefined:
                throw TemplateErrors.Undefined(undefined);
            case DictionaryValue dictionary
                when key is not (ListValue or DictionaryValue) && dictionary.TryGet(key, out TemplateValue item):
                return item;
            case ListValue { Kind: ListKind.List or ListKind.Tuple } list when TryIndex(key, list.Items.Length, out int index):
                return list.Items[index];
            case StringValue text when Numbers.TryInteger(key, out _):
                evaluator.Charge(text.Value.Length);
                if (!TryIndex(key, PythonText.Length(text.Value), out int place))
                    break;
                int start = PythonText.PositionOf(text.Value, place);
                return new StringValue(PythonText.Characters(text.Value.Substring(start, Math.Min(2, text.Value.Length - start)))[0]);
            default:
                break;
        }
        return key is StringValue name && Method(owner, name.Value) is { } method ? method : TemplateErrors.MissingMember(owner, key);
    }

    /// <summary><c>owner[start:stop:step]</c>. Unlike other subscripts, one that does not fit is an error: Jinja leaves slices to Python.</summary>
    public static TemplateValue Slice(
        TemplateEvaluator evaluator, TemplateValue owner, TemplateValue start, TemplateValue stop, TemplateValue step)
    {
        if (owner is UndefinedValue undefined)
            throw TemplateErrors.Undefined(undefined);
        if (owner is not (StringValue or ListValue { Kind: ListKind.List or ListKind.Tuple }))
        {
            throw TemplateErrors.Type(owner is DictionaryValue ? "unhashable type: 'slice'" : $"'{owner.TypeName}' object is not subscriptable");
        }
        if (!IsSlicePart(start) || !IsSlicePart(stop) || !IsSlicePart(step))
            throw TemplateErrors.Type("slice indices must be integers or None or have an __index__ method");
        BigInteger stride = Numbers.TryInteger(step, out BigInteger given) ? given : BigInteger.One;
        if (stride.IsZero)
            throw TemplateErrors.Type("slice step cannot be zero");
        if (owner is StringValue text)
            return SliceText(evaluator, text.Value, start, stop, stride);
        var list = (ListValue)owner;
        int[] indexes = Indexes(list.Items.Length, start, stop, stride);
        evaluator.Charge(indexes.Length);
        return new ListValue(Array.ConvertAll(indexes, index => list.Items[index]), list.Kind);
    }

    private static TemplateValue? Method(TemplateValue owner, string name)
    {
        switch (owner)
        {
            case StringValue:
                return StringMethods.Exists(name) ? new MethodValue(owner, name) : null;
            case DictionaryValue when DictionaryMethods.Contains(name):
            case ListValue { Kind: ListKind.List } when ListMethods.Contains(name):
            case ListValue { Kind: ListKind.Tuple } when TupleMethods.Contains(name):
                return Mutators.Contains(name) ? TemplateErrors.Unsafe(owner, name) : new MethodValue(owner, name);
            case NamespaceValue space:
                return space.Attributes.TryGetValue(name, out TemplateValue? value) ? value : null;
            case LoopValue loop:
                return loop.Attribute(name);
            case MacroValue macro when name == "name":
                return new StringValue(macro.Definition.Name);
            default:
                return null;
        }
    }

    private static StringValue SliceText(
        TemplateEvaluator evaluator, string text, TemplateValue start, TemplateValue stop, BigInteger stride)
    {
        evaluator.Charge(text.Length);
        int[] indexes = Indexes(PythonText.Length(text), start, stop, stride);
        if (indexes.Length == 0)
            return StringValue.Empty;
        if (stride.IsOne)
        {
            int from = PythonText.PositionOf(text, indexes[0]);
            int to = from + PythonText.PositionOf(text[from..], indexes.Length);
            return new StringValue(text[from..to]);
        }
        string[] characters = PythonText.Characters(text);
        return new StringValue(string.Concat(Array.ConvertAll(indexes, index => characters[index])));
    }

    // slice.indices: bounds beyond the ends are moved to them, negative ones count from the end.
    private static int[] Indexes(int length, TemplateValue start, TemplateValue stop, BigInteger step)
    {
        bool forward = step.Sign > 0;
        int first = Bound(start, forward ? 0 : length - 1);
        int last = Bound(stop, forward ? length : -1);
        int distance = forward ? last - first : first - last;
        if (distance <= 0)
            return [];
        int stride = BigInteger.Abs(step) > length ? length + 1 : (int)BigInteger.Abs(step);
        var indexes = new int[((distance - 1) / stride) + 1];
        for (int i = 0; i < indexes.Length; i++)
            indexes[i] = forward ? first + (i * stride) : first - (i * stride);
        return indexes;

        int Bound(TemplateValue part, int absent)
        {
            if (!Numbers.TryInteger(part, out BigInteger value))
                return absent;
            if (value.Sign < 0)
                value += length;
            return (int)BigInteger.Min(BigInteger.Max(value, forward ? 0 : -1), forward ? length : length - 1);
        }
    }

    private static bool IsSlicePart(TemplateValue part) => part is NoneValue or IntegerValue or BooleanValue;

    private static bool TryIndex(TemplateValue key, int length, out int index)
    {
        index = 0;
        if (!Numbers.TryInteger(key, out BigInteger value))
            return false;
        if (value.Sign < 0)
            value += length;
        if (value.Sign < 0 || value >= length)
            return false;
        index = (int)value;
        return true;
    }
}
