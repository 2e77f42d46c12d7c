using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Quire.Simulation.Decisions;

/// <summary>Numbers by name whose order means something: a JSON object that keeps the order of its members.</summary>
[JsonConverter(typeof(OrderedCountsConverter))]
public sealed record OrderedCounts(IReadOnlyList<KeyValuePair<string, int>> Items)
{
    public static OrderedCounts Empty { get; } = new([]);

    public bool Equals(OrderedCounts? other)
    {
        if (other is null || other.Items.Count != Items.Count)
            return false;
        for (int i = 0; i < Items.Count; i++)
        {
            if (Items[i].Key != other.Items[i].Key || Items[i].Value != other.Items[i].Value)
                return false;
        }

        return true;
    }

    public override int GetHashCode() => Items.Count;
}

internal sealed class OrderedCountsConverter : JsonConverter<OrderedCounts>
{
    public override OrderedCounts Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("an object of numbers was expected");
        var items = new List<KeyValuePair<string, int>>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString() ?? "";
            reader.Read();
            items.Add(new KeyValuePair<string, int>(name, reader.GetInt32()));
        }

        return new OrderedCounts(items);
    }

    public override void Write(Utf8JsonWriter writer, OrderedCounts value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        foreach ((string name, int count) in value.Items)
            writer.WriteNumber(name, count);
        writer.WriteEndObject();
    }
}
