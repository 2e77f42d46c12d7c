namespace Quire.Core.Requests;

/// <summary>The name of a request inside one engine. The caller gives it; it is unique among the requests that have not finished.</summary>
public readonly record struct RequestId(long Value)
{
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
