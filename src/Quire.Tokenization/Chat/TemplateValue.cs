using System;
using System.Collections.Generic;
using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Quire.Tokenization.Chat;

/// <summary>
/// A value of the template language, which has Python's types: none, booleans, integers, floats, strings, lists and dictionaries.
/// Values from outside are immutable and may be shared between renderings.
/// </summary>
public abstract class TemplateValue
{
    private protected TemplateValue()
    {
    }

    public static TemplateValue None => NoneValue.Instance;

    /// <summary>How deep lists and dictionaries are nested here: 0 for anything else.</summary>
    internal virtual int Depth => 0;

    /// <summary>Characters and items in it, however often it is shared: bounds what printing or comparing it can cost.</summary>
    internal virtual long Size => 1;

    /// <summary>Python's name of the type, as error messages show it.</summary>
    internal abstract string TypeName { get; }

    public static TemplateValue From(bool value) => value ? BooleanValue.True : BooleanValue.False;

    public static TemplateValue From(long value) => new IntegerValue(value);

    public static TemplateValue From(double value) => new FloatValue(value);

    public static TemplateValue From(string? value) => value is null ? None : new StringValue(value);

    public static TemplateValue List(IEnumerable<TemplateValue> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        return new ListValue([.. items]);
    }

    /// <summary>A dictionary that keeps the order given; a key that comes again replaces its value.</summary>
    public static TemplateValue Dictionary(IEnumerable<KeyValuePair<string, TemplateValue>> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        var builder = new DictionaryBuilder();
        foreach ((string key, TemplateValue value) in items)
            builder.Set(new StringValue(key), value);
        return builder.Build();
    }

    /// <summary>The value of a JSON text, as Python's <c>json.loads</c> reads it.</summary>
    /// <exception cref="ChatTemplateException">The text nests too deeply or is not valid Unicode.</exception>
    public static TemplateValue FromJson(JsonElement element) => FromJson(element, 0);

    private static TemplateValue FromJson(JsonElement element, int depth)
    {
        if (depth > ValueBounds.DepthMax)
            throw ValueBounds.TooDeep();
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var builder = new DictionaryBuilder();
                foreach (JsonProperty property in element.EnumerateObject())
                    builder.Set(new StringValue(NameOf(property)), FromJson(property.Value, depth + 1));
                return builder.Build();
            case JsonValueKind.Array:
                var items = new TemplateValue[element.GetArrayLength()];
                int index = 0;
                foreach (JsonElement item in element.EnumerateArray())
                    items[index++] = FromJson(item, depth + 1);
                return new ListValue(items);
            case JsonValueKind.String:
                return new StringValue(TextOf(element));
            case JsonValueKind.Number:
                return NumberOf(element);
            case JsonValueKind.True:
                return BooleanValue.True;
            case JsonValueKind.False:
                return BooleanValue.False;
            default:
                return None;
        }
    }

    private static TemplateValue NumberOf(JsonElement element)
    {
        if (element.TryGetInt64(out long small) && IsIntegerText(element))
            return new IntegerValue(small);
        string text = element.GetRawText();
        return IsIntegerText(element) && text.Length <= IntegerValue.DigitsMax
            ? new IntegerValue(BigInteger.Parse(text, CultureInfo.InvariantCulture))
            : new FloatValue(double.Parse(text, CultureInfo.InvariantCulture));
    }

    // 1.0 and 1e3 are floats although their values are whole.
    private static bool IsIntegerText(JsonElement element) => element.GetRawText().AsSpan().IndexOfAny('.', 'e', 'E') < 0;

    private static string TextOf(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new ChatTemplateException("A string of the conversation is not valid Unicode.", exception);
        }
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new ChatTemplateException("A field name of the conversation is not valid Unicode.", exception);
        }
    }
}
