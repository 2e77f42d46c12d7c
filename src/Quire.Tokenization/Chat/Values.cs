using System;
using System.Collections.Generic;
using System.Numerics;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Bounds how deeply values nest, so that printing and comparing them by recursion cannot exhaust the stack, and how large they are when
/// every shared part counts each time, so that it cannot take exponential time.
/// </summary>
internal static class ValueBounds
{
    public const int DepthMax = 200;

    private const long SizeMax = 256L << 20;

    public static int DepthAround(int inner) => inner < DepthMax ? inner + 1 : throw TooDeep();

    public static long Check(long size) => size <= SizeMax
        ? size
        : throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"A value has more than {SizeMax} characters and items.");

    public static ChatTemplateException TooDeep() =>
        new(ChatTemplateErrorKind.Limit, $"Values are nested more than {DepthMax} deep.");
}

internal sealed class NoneValue : TemplateValue
{
    public static readonly NoneValue Instance = new();

    private NoneValue()
    {
    }

    internal override string TypeName => "NoneType";
}

internal sealed class BooleanValue : TemplateValue
{
    public static readonly BooleanValue True = new(true);
    public static readonly BooleanValue False = new(false);

    private BooleanValue(bool value) => Value = value;

    public bool Value { get; }

    internal override string TypeName => "bool";
}

internal sealed class IntegerValue : TemplateValue
{
    /// <summary>Python's own limit for turning integers into text; here integers never grow beyond it.</summary>
    public const int DigitsMax = 4300;

    private const long BitsMax = 14_284;

    public IntegerValue(BigInteger value)
    {
        if (value.GetBitLength() > BitsMax)
            throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"An integer has more than {DigitsMax} digits.");
        Value = value;
    }

    public BigInteger Value { get; }

    internal override string TypeName => "int";
}

internal sealed class FloatValue(double value) : TemplateValue
{
    public double Value { get; } = value;

    internal override string TypeName => "float";
}

internal sealed class StringValue(string value) : TemplateValue
{
    public static readonly StringValue Empty = new(string.Empty);

    public string Value { get; } = value;

    internal override long Size => 1 + Value.Length;

    internal override string TypeName => "str";
}

/// <summary>What a name, an attribute or an item that does not exist gives: empty and false, an error for most other uses.</summary>
internal sealed class UndefinedValue : TemplateValue
{
    private readonly Func<string> _message;

    public UndefinedValue(Func<string> message) => _message = message;

    /// <summary>The error that a use of the value gives.</summary>
    public string Message => _message();

    internal override string TypeName => "Undefined";
}

internal enum ListKind
{
    List,
    Tuple,

    /// <summary>The result of a lazy filter: can be iterated, but not measured or indexed.</summary>
    Generator,

    /// <summary><c>dict.keys()</c> and the like, <c>range</c>: like a list, but printed otherwise.</summary>
    View,
}

internal sealed class ListValue : TemplateValue
{
    public ListValue(TemplateValue[] items, ListKind kind = ListKind.List, string viewName = "")
    {
        Items = items;
        Kind = kind;
        ViewName = viewName;
        int depth = 0;
        long size = 1;
        foreach (TemplateValue item in items)
        {
            depth = Math.Max(depth, item.Depth);
            size = ValueBounds.Check(size + item.Size);
        }
        Depth = ValueBounds.DepthAround(depth);
        Size = size;
    }

    public TemplateValue[] Items { get; }

    public ListKind Kind { get; }

    /// <summary>What a view prints as: <c>range(0, 3)</c> whole, <c>dict_keys</c> before its items. <see cref="Members.GroupName"/> for those tuples.</summary>
    public string ViewName { get; }

    internal override int Depth { get; }

    internal override long Size { get; }

    internal override string TypeName => Kind switch
    {
        ListKind.Tuple => "tuple",
        ListKind.Generator => "generator",
        ListKind.View => ViewName.Split('(')[0],
        _ => "list",
    };
}

internal sealed class DictionaryValue : TemplateValue
{
    private readonly OrderedDictionary<TemplateValue, TemplateValue> _items;

    public DictionaryValue(OrderedDictionary<TemplateValue, TemplateValue> items, int depth, long size)
    {
        _items = items;
        Depth = depth;
        Size = size;
    }

    public int Count => _items.Count;

    public OrderedDictionary<TemplateValue, TemplateValue> Items => _items;

    internal override int Depth { get; }

    internal override long Size { get; }

    internal override string TypeName => "dict";

    public bool TryGet(TemplateValue key, out TemplateValue value)
    {
        bool found = _items.TryGetValue(key, out TemplateValue? item);
        value = item ?? None;
        return found;
    }

    public TemplateValue[] Keys()
    {
        var keys = new TemplateValue[_items.Count];
        _items.Keys.CopyTo(keys, 0);
        return keys;
    }

    public TemplateValue[] Values()
    {
        var values = new TemplateValue[_items.Count];
        _items.Values.CopyTo(values, 0);
        return values;
    }

    public TemplateValue[] Pairs()
    {
        var pairs = new TemplateValue[_items.Count];
        for (int i = 0; i < pairs.Length; i++)
        {
            KeyValuePair<TemplateValue, TemplateValue> item = _items.GetAt(i);
            pairs[i] = new ListValue([item.Key, item.Value], ListKind.Tuple);
        }
        return pairs;
    }
}

/// <summary>Collects the items of a dictionary.</summary>
internal sealed class DictionaryBuilder
{
    private readonly OrderedDictionary<TemplateValue, TemplateValue> _items = new(ValueEquality.Instance);
    private int _depth;
    private long _size = 1;

    public void Set(TemplateValue key, TemplateValue value)
    {
        ValueEquality.RequireHashable(key);
        _depth = Math.Max(_depth, Math.Max(key.Depth, value.Depth));
        _size = ValueBounds.Check(_size + key.Size + value.Size);
        _items[key] = value;
    }

    public void SetAll(DictionaryValue other)
    {
        foreach (KeyValuePair<TemplateValue, TemplateValue> item in other.Items)
            Set(item.Key, item.Value);
    }

    public DictionaryValue Build() => new(_items, ValueBounds.DepthAround(_depth), _size);
}

/// <summary>The only thing that templates can change: attributes of a <c>namespace()</c>, one rendering's own.</summary>
internal sealed class NamespaceValue : TemplateValue
{
    public Dictionary<string, TemplateValue> Attributes { get; } = new(StringComparer.Ordinal);

    internal override string TypeName => "Namespace";
}
