using System.Collections.Generic;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <summary>
/// <c>tojson</c> as chat templates know it: Python's <c>json.dumps</c> with non-ASCII characters kept and nothing escaped for HTML.
/// </summary>
internal sealed class JsonText
{
    private readonly StringBuilder _text = new();
    private readonly TemplateEvaluator _evaluator;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private readonly bool _ensureAscii;
    private readonly bool _sortKeys;

    /// <param name="evaluator">Whose budget the text is charged to.</param>
    /// <param name="indent">One level of indentation; without one, everything is on one line.</param>
    /// <param name="itemSeparator">Between items; by default a comma and, on one line, a space.</param>
    /// <param name="keySeparator">Between a key and its value.</param>
    /// <param name="ensureAscii">Whether characters beyond ASCII are escaped.</param>
    /// <param name="sortKeys">Whether keys are sorted.</param>
    public JsonText(
        TemplateEvaluator evaluator, string? indent, string? itemSeparator, string? keySeparator, bool ensureAscii, bool sortKeys)
    {
        _evaluator = evaluator;
        _indent = indent;
        _itemSeparator = itemSeparator ?? (indent is null ? ", " : ",");
        _keySeparator = keySeparator ?? ": ";
        _ensureAscii = ensureAscii;
        _sortKeys = sortKeys;
    }

    public string Write(TemplateValue value)
    {
        Append(value, 0);
        _evaluator.Charge(_text.Length);
        return _text.ToString();
    }

    private void Append(TemplateValue value, int level)
    {
        _evaluator.CheckText(_text.Length);
        switch (value)
        {
            case NoneValue:
                _text.Append("null");
                break;
            case BooleanValue truth:
                _text.Append(truth.Value ? "true" : "false");
                break;
            case IntegerValue:
                _text.Append(PythonText.Repr(value));
                break;
            case FloatValue number:
                _text.Append(FloatText(number.Value));
                break;
            case StringValue text:
                AppendString(text.Value);
                break;
            case ListValue { Kind: ListKind.List or ListKind.Tuple } list:
                AppendList(list, level);
                break;
            case DictionaryValue dictionary:
                AppendDictionary(dictionary, level);
                break;
            default:
                throw Unserializable(value);
        }
    }

    private static ChatTemplateException Unserializable(TemplateValue value) =>
        new(ChatTemplateErrorKind.Runtime, $"Object of type {value.TypeName} is not JSON serializable");

    private static string FloatText(double value) => double.IsNaN(value) ? "NaN"
        : double.IsInfinity(value) ? (value > 0 ? "Infinity" : "-Infinity")
        : Numbers.Format(value);

    private void AppendList(ListValue list, int level)
    {
        if (list.Items.Length == 0)
        {
            _text.Append("[]");
            return;
        }
        _text.Append('[');
        for (int i = 0; i < list.Items.Length; i++)
        {
            if (i > 0)
                _text.Append(_itemSeparator);
            NewLine(level + 1);
            Append(list.Items[i], level + 1);
        }
        NewLine(level);
        _text.Append(']');
    }

    private void AppendDictionary(DictionaryValue dictionary, int level)
    {
        if (dictionary.Count == 0)
        {
            _text.Append("{}");
            return;
        }
        var items = new List<KeyValuePair<TemplateValue, TemplateValue>>(dictionary.Items);
        if (_sortKeys)
            items = ValueOrder.Sort(items, item => item.Key);
        _text.Append('{');
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
                _text.Append(_itemSeparator);
            NewLine(level + 1);
            AppendString(KeyText(items[i].Key));
            _text.Append(_keySeparator);
            Append(items[i].Value, level + 1);
        }
        NewLine(level);
        _text.Append('}');
    }

    private static string KeyText(TemplateValue key) => key switch
    {
        StringValue text => text.Value,
        NoneValue => "null",
        BooleanValue truth => truth.Value ? "true" : "false",
        FloatValue number => FloatText(number.Value),
        IntegerValue => PythonText.Repr(key),
        _ => throw new ChatTemplateException(
            ChatTemplateErrorKind.Runtime, $"keys must be str, int, float, bool or None, not {key.TypeName}"),
    };

    private void NewLine(int level)
    {
        if (_indent is null)
            return;
        _text.Append('\n');
        for (int i = 0; i < level; i++)
            _text.Append(_indent);
    }

    private void AppendString(string value)
    {
        _text.Append('"');
        foreach (char character in value)
        {
            switch (character)
            {
                case '"':
                    _text.Append("\\\"");
                    break;
                case '\\':
                    _text.Append("\\\\");
                    break;
                case '\n':
                    _text.Append("\\n");
                    break;
                case '\r':
                    _text.Append("\\r");
                    break;
                case '\t':
                    _text.Append("\\t");
                    break;
                case '\b':
                    _text.Append("\\b");
                    break;
                case '\f':
                    _text.Append("\\f");
                    break;
                default:
                    if (character < 0x20 || (_ensureAscii && character > 0x7E))
                        _text.Append("\\u").Append(((int)character).ToString("x4", System.Globalization.CultureInfo.InvariantCulture));
                    else
                        _text.Append(character);
                    break;
            }
        }
        _text.Append('"');
    }
}
