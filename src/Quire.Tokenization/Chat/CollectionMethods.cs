using System;

namespace Quire.Tokenization.Chat;

/// <summary>The methods of lists, tuples and dictionaries that change nothing.</summary>
internal static class CollectionMethods
{
    public static TemplateValue Call(TemplateValue owner, string name, CallArguments arguments) => owner switch
    {
        DictionaryValue dictionary => CallDictionary(dictionary, name, arguments),
        ListValue list => CallList(list, name, arguments),
        _ => throw new InvalidOperationException($"A {owner.TypeName} has no methods."),
    };

    private static TemplateValue CallDictionary(DictionaryValue dictionary, string name, CallArguments arguments)
    {
        switch (name)
        {
            case "get":
                TemplateValue key = arguments.Expect(name, "key", "default").Require(0, "key", name);
                ValueEquality.RequireHashable(key);
                return dictionary.TryGet(key, out TemplateValue value) ? value : arguments.Find(1, "default") ?? TemplateValue.None;
            case "items":
                arguments.Expect(name);
                return new ListValue(dictionary.Pairs(), ListKind.View, "dict_items");
            case "keys":
                arguments.Expect(name);
                return new ListValue(dictionary.Keys(), ListKind.View, "dict_keys");
            case "values":
                arguments.Expect(name);
                return new ListValue(dictionary.Values(), ListKind.View, "dict_values");
            case "copy":
                arguments.Expect(name);
                return dictionary;
            default:
                throw TemplateErrors.Type($"the method '{name}' of dictionaries is not supported");
        }
    }

    private static TemplateValue CallList(ListValue list, string name, CallArguments arguments)
    {
        switch (name)
        {
            case "copy":
                arguments.Expect(name);
                return list;
            case "count":
                TemplateValue counted = arguments.Expect(name, "value").Require(0, "value", name);
                return TemplateValue.From((long)Array.FindAll(list.Items, item => ValueEquality.AreEqual(item, counted)).Length);
            default:
                TemplateValue sought = arguments.Expect(name, "value").Require(0, "value", name);
                int index = Array.FindIndex(list.Items, item => ValueEquality.AreEqual(item, sought));
                return index >= 0
                    ? TemplateValue.From((long)index)
                    : throw TemplateErrors.Type($"{PythonText.Repr(sought)} is not in {list.TypeName}");
        }
    }
}
