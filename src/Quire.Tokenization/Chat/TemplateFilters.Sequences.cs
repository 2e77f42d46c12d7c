using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Quire.Tokenization.Chat;

/// <content>Filters on sequences.</content>
internal static partial class TemplateFilters
{
    private static TemplateValue? ApplyToSequence(TemplateEvaluator evaluator, string name, TemplateValue value, CallArguments arguments)
    {
        switch (name)
        {
            case "length" or "count":
                return TemplateValue.From((long)Operators.Length(value));
            case "list":
                return new ListValue(Operators.Items(value));
            case "items":
                return Pairs(value);
            case "first":
                TemplateValue[] fromStart = Operators.Items(value);
                return fromStart.Length > 0 ? fromStart[0] : new UndefinedValue(() => "No first item, sequence was empty.");
            case "last":
                TemplateValue[] toEnd = Operators.Items(value);
                return toEnd.Length > 0 ? toEnd[^1] : new UndefinedValue(() => "No last item, sequence was empty.");
            case "reverse":
                return value is StringValue text
                    ? new StringValue(string.Concat(PythonText.Characters(text.Value).Reverse()))
                    : new ListValue([.. Operators.Items(value).Reverse()], ListKind.Generator);
            case "join":
                return Join(evaluator, value, arguments.Expect(name, "d", "attribute"));
            case "attr":
                return value is NamespaceValue or LoopValue or UndefinedValue
                    ? Members.Attribute(value, PythonText.Str(arguments.Require(0, "name", name)))
                    : TemplateErrors.MissingMember(value, arguments.Require(0, "name", name));
            case "map":
                return Map(evaluator, value, arguments);
            case "select" or "reject":
                return Select(evaluator, value, wanted: name == "select", item => item, arguments);
            case "selectattr" or "rejectattr":
                TemplateValue attribute = arguments.Require(0, "attribute", name);
                bool wanted = name == "selectattr";
                return Select(evaluator, value, wanted, item => Lookup(evaluator, item, attribute), arguments.Skip(1));
            case "sort":
                return Sort(evaluator, value, arguments.Expect(name, "reverse", "case_sensitive", "attribute"));
            case "unique":
                return Unique(evaluator, value, arguments.Expect(name, "case_sensitive", "attribute"));
            case "min" or "max":
                return Extreme(evaluator, value, arguments.Expect(name, "case_sensitive", "attribute"), least: name == "min");
            case "sum":
                return Sum(evaluator, value, arguments.Expect(name, "attribute", "start"));
            case "dictsort":
                return SortDictionary(value, arguments.Expect(name, "case_sensitive", "by", "reverse"));
            case "groupby":
                return GroupBy(evaluator, value, arguments.Expect(name, "attribute", "default", "case_sensitive"));
            case "batch":
                return Batch(value, arguments.Expect(name, "linecount", "fill_with"));
            case "slice":
                return Slices(value, arguments.Expect(name, "slices", "fill_with"));
            default:
                return null;
        }
    }

    private static ListValue Pairs(TemplateValue value) => value switch
    {
        UndefinedValue => new ListValue([], ListKind.Generator),
        DictionaryValue dictionary => new ListValue(dictionary.Pairs(), ListKind.Generator),
        _ => throw TemplateErrors.Type("Can only get item pairs from a mapping."),
    };

    private static StringValue Join(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        string separator = arguments.Find(0, "d") is { } given ? PythonText.Str(given) : string.Empty;
        TemplateValue? attribute = arguments.Find(1, "attribute");
        TemplateValue[] items = Operators.Items(value);
        return StringMethods.Join(evaluator, separator, Array.ConvertAll(items, item =>
            (TemplateValue)new StringValue(PythonText.Str(attribute is null or NoneValue ? item : Lookup(evaluator, item, attribute)))));
    }

    // map(attribute="name"), or map("filter", its arguments …)
    private static ListValue Map(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        TemplateValue[] items = ItemsOrNone(value);
        if (arguments.Positional.Count == 0 && arguments.Find(0, "attribute") is { } attribute)
        {
            TemplateValue? fallback = arguments.Find(1, "default");
            return Lazy(items.Select(item => LookupOr(evaluator, item, attribute, fallback)));
        }
        if (arguments.Positional.Count == 0)
            throw TemplateErrors.Type("map requires a filter argument");
        string filter = PythonText.Str(arguments.Positional[0]);
        CallArguments rest = arguments.Skip(1);
        return Lazy(items.Select(item => evaluator.ApplyFilter(filter, item, rest)));
    }

    /// <summary>map, select and their kin find nothing in what is false, whatever it is: a template may hand them a field that is none.</summary>
    private static TemplateValue[] ItemsOrNone(TemplateValue value) => Operators.IsTrue(value) ? Operators.Items(value) : [];

    private static ListValue Select(
        TemplateEvaluator evaluator, TemplateValue value, bool wanted, Func<TemplateValue, TemplateValue> key, CallArguments test)
    {
        string? name = test.Positional.Count > 0 ? PythonText.Str(test.Positional[0]) : null;
        CallArguments rest = test.Skip(1);
        return Lazy(ItemsOrNone(value).Where(item => wanted == (name is null
            ? Operators.IsTrue(key(item))
            : TemplateTests.Holds(evaluator, name, key(item), rest))));
    }

    private static ListValue Sort(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        bool caseSensitive = IsSet(arguments.Find(1, "case_sensitive"));
        TemplateValue? attribute = arguments.Find(2, "attribute");
        TemplateValue[] items = Operators.Items(value);
        // Comparing may look at every character of a value, about log n times.
        evaluator.Charge(16 * value.Size);
        bool reverse = IsSet(arguments.Find(0, "reverse"));
        return new ListValue([.. ValueOrder.Sort(items, item => SortKey(evaluator, item, attribute, caseSensitive), reverse)]);
    }

    // Several attributes, separated by commas, sort one after the other.
    private static ListValue SortKey(TemplateEvaluator evaluator, TemplateValue item, TemplateValue? attribute, bool caseSensitive)
    {
        // A list even of one: equal items of lists are not ordered, so that what has no order may stand beside its like.
        if (attribute is not StringValue names)
            return new ListValue([Fold(attribute is null or NoneValue ? item : Lookup(evaluator, item, attribute), caseSensitive)]);
        string[] parts = names.Value.Split(',');
        return new ListValue([.. parts.Select(part => Fold(Lookup(evaluator, item, new StringValue(part)), caseSensitive))]);
    }

    private static ListValue Unique(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        bool caseSensitive = IsSet(arguments.Find(0, "case_sensitive"));
        TemplateValue? attribute = arguments.Find(1, "attribute");
        var seen = new HashSet<TemplateValue>(ValueEquality.Instance);
        return Lazy(Operators.Items(value).Where(item =>
        {
            TemplateValue key = Fold(attribute is null or NoneValue ? item : Lookup(evaluator, item, attribute), caseSensitive);
            ValueEquality.RequireHashable(key);
            return seen.Add(key);
        }));
    }

    private static TemplateValue Extreme(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments, bool least)
    {
        bool caseSensitive = IsSet(arguments.Find(0, "case_sensitive"));
        TemplateValue? attribute = arguments.Find(1, "attribute");
        TemplateValue? best = null;
        TemplateValue? bestKey = null;
        foreach (TemplateValue item in Operators.Items(value))
        {
            TemplateValue key = Fold(attribute is null or NoneValue ? item : Lookup(evaluator, item, attribute), caseSensitive);
            if (bestKey is null || (ValueOrder.Compare(key, bestKey, least ? "<" : ">") is var order && (least ? order < 0 : order == 1)))
                (best, bestKey) = (item, key);
        }
        return best ?? new UndefinedValue(() => "No aggregated item, sequence was empty.");
    }

    private static TemplateValue Sum(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        TemplateValue? attribute = arguments.Find(0, "attribute");
        TemplateValue total = arguments.Find(1, "start") ?? TemplateValue.From(0L);
        foreach (TemplateValue item in Operators.Items(value))
            total = Operators.Apply(evaluator, "+", total, attribute is null or NoneValue ? item : Lookup(evaluator, item, attribute));
        return total;
    }

    private static ListValue SortDictionary(TemplateValue value, CallArguments arguments)
    {
        if (value is not DictionaryValue dictionary)
            throw TemplateErrors.Type($"'{value.TypeName}' object has no attribute 'items'");
        bool caseSensitive = IsSet(arguments.Find(0, "case_sensitive"));
        string by = arguments.Find(1, "by") is { } given ? PythonText.Str(given) : "key";
        if (by is not ("key" or "value"))
            throw TemplateErrors.Type("You can only sort by either \"key\" or \"value\"");
        int place = by == "key" ? 0 : 1;
        return new ListValue([.. ValueOrder.Sort(
            dictionary.Pairs(), pair => Fold(((ListValue)pair).Items[place], caseSensitive), IsSet(arguments.Find(2, "reverse")))]);
    }

    private static ListValue GroupBy(TemplateEvaluator evaluator, TemplateValue value, CallArguments arguments)
    {
        TemplateValue attribute = arguments.Require(0, "attribute", "groupby");
        TemplateValue? fallback = arguments.Find(1, "default");
        bool caseSensitive = IsSet(arguments.Find(2, "case_sensitive"));
        List<TemplateValue> sorted = ValueOrder.Sort(Operators.Items(value), Key);
        var groups = new List<TemplateValue>();
        int start = 0;
        for (int i = 1; i <= sorted.Count; i++)
        {
            if (i < sorted.Count && ValueEquality.AreEqual(Key(sorted[i]), Key(sorted[start])))
                continue;
            TemplateValue grouper = LookupOr(evaluator, sorted[start], attribute, fallback);
            groups.Add(new ListValue([grouper, new ListValue([.. sorted.GetRange(start, i - start)])], ListKind.Tuple, Members.GroupName));
            start = i;
        }
        return new ListValue(groups.ToArray());

        TemplateValue Key(TemplateValue item) => Fold(LookupOr(evaluator, item, attribute, fallback), caseSensitive);
    }

    private static ListValue Batch(TemplateValue value, CallArguments arguments)
    {
        int count = Math.Max(1, IntegerOf(arguments.Require(0, "linecount", "batch"), 1));
        TemplateValue? fill = arguments.Find(1, "fill_with");
        IEnumerable<TemplateValue[]> rows = Operators.Items(value).Chunk(count);
        return Lazy(rows.Select(row => new ListValue(fill is null or NoneValue || row.Length == count
            ? row
            : [.. row, .. Enumerable.Repeat(fill, Math.Min(count, 100_000) - row.Length)])));
    }

    private static ListValue Slices(TemplateValue value, CallArguments arguments)
    {
        TemplateValue[] items = Operators.Items(value);
        int slices = IntegerOf(arguments.Require(0, "slices", "slice"), 1);
        if (slices is < 1 or > 100_000)
            throw TemplateErrors.Type("the number of slices must be from 1 to 100000");
        TemplateValue? fill = arguments.Find(1, "fill_with");
        var rows = new List<TemplateValue>();
        int start = 0;
        for (int i = 0; i < slices; i++)
        {
            int length = (items.Length / slices) + (i < items.Length % slices ? 1 : 0);
            var row = new List<TemplateValue>(items.AsSpan(start, length).ToArray());
            if (fill is not null and not NoneValue && i >= items.Length % slices)
                row.Add(fill);
            rows.Add(new ListValue(row.ToArray()));
            start += length;
        }
        return new ListValue(rows.ToArray(), ListKind.Generator);
    }

    // "a.b.0": items by name or number, one after the other.
    private static TemplateValue Lookup(TemplateEvaluator evaluator, TemplateValue item, TemplateValue attribute)
    {
        if (attribute is not StringValue path)
            return Members.Item(evaluator, item, attribute);
        foreach (string part in path.Value.Split('.'))
        {
            bool number = int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int index);
            item = Members.Item(evaluator, item, number ? TemplateValue.From((long)index) : new StringValue(part));
        }
        return item;
    }

    private static TemplateValue LookupOr(TemplateEvaluator evaluator, TemplateValue item, TemplateValue attribute, TemplateValue? fallback)
    {
        TemplateValue found = Lookup(evaluator, item, attribute);
        return found is UndefinedValue && fallback is not null ? fallback : found;
    }

    private static TemplateValue Fold(TemplateValue value, bool caseSensitive) =>
        !caseSensitive && value is StringValue text ? new StringValue(PythonText.Lower(text.Value)) : value;

    private static ListValue Lazy(IEnumerable<TemplateValue> items) => new(items.ToArray(), ListKind.Generator);
}
