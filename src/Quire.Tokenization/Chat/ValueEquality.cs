using System;
using System.Collections.Generic;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>Python's <c>==</c> and <c>hash</c>: numbers compare by value across types, containers by their items.</summary>
internal sealed class ValueEquality : IEqualityComparer<TemplateValue>
{
    public static readonly ValueEquality Instance = new();

    /// <summary>Keys of dictionaries must not be lists or dictionaries.</summary>
    public static void RequireHashable(TemplateValue key)
    {
        if (key is DictionaryValue or ListValue { Kind: ListKind.List })
            throw new ChatTemplateException(ChatTemplateErrorKind.Runtime, $"unhashable type: '{key.TypeName}'");
        if (key is ListValue { Kind: ListKind.Tuple } tuple)
        {
            foreach (TemplateValue item in tuple.Items)
                RequireHashable(item);
        }
    }

    /// <inheritdoc/>
    public bool Equals(TemplateValue? left, TemplateValue? right) => AreEqual(left!, right!);

    public static bool AreEqual(TemplateValue left, TemplateValue right)
    {
        if (ReferenceEquals(left, right))
            return left is not FloatValue { Value: double.NaN };
        if (Numbers.TryInteger(left, out BigInteger leftInteger))
        {
            return Numbers.TryInteger(right, out BigInteger rightInteger)
                ? leftInteger == rightInteger
                : right is FloatValue rightFloat && Numbers.Compare(leftInteger, rightFloat.Value) == 0;
        }
        return (left, right) switch
        {
            (FloatValue a, FloatValue b) => a.Value == b.Value,
            (FloatValue a, _) => Numbers.TryInteger(right, out BigInteger b) && Numbers.Compare(b, a.Value) == 0,
            (StringValue a, StringValue b) => a.Value == b.Value,
            (UndefinedValue, UndefinedValue) => true,
            (ListValue a, ListValue b) => AreEqual(a, b),
            (DictionaryValue a, DictionaryValue b) => AreEqual(a, b),
            _ => false,
        };
    }

    /// <inheritdoc/>
    public int GetHashCode(TemplateValue value)
    {
        switch (value)
        {
            case StringValue text:
                return text.Value.GetHashCode(StringComparison.Ordinal);
            case FloatValue number:
                return double.IsFinite(number.Value) && Math.Floor(number.Value) == number.Value
                    ? new BigInteger(number.Value).GetHashCode()
                    : number.Value.GetHashCode();
            case ListValue list:
                var hash = default(HashCode);
                foreach (TemplateValue item in list.Items)
                    hash.Add(GetHashCode(item));
                return hash.ToHashCode();
            default:
                return Numbers.TryInteger(value, out BigInteger integer) ? integer.GetHashCode() : value.TypeName.Length;
        }
    }

    private static bool AreEqual(ListValue left, ListValue right)
    {
        if (left.Kind != right.Kind || left.Kind == ListKind.Generator || left.Items.Length != right.Items.Length)
            return false;
        for (int i = 0; i < left.Items.Length; i++)
        {
            if (!AreEqual(left.Items[i], right.Items[i]))
                return false;
        }
        return true;
    }

    private static bool AreEqual(DictionaryValue left, DictionaryValue right)
    {
        if (left.Count != right.Count)
            return false;
        foreach (KeyValuePair<TemplateValue, TemplateValue> item in left.Items)
        {
            if (!right.TryGet(item.Key, out TemplateValue other) || !AreEqual(item.Value, other))
                return false;
        }
        return true;
    }
}
