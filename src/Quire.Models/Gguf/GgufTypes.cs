using System.Collections.Generic;
using Quire.Tensors;

namespace Quire.Models.Gguf;

/// <summary>Types of metadata values, with their numbers in the file.</summary>
public enum GgufValueType
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>An element type of tensors: its number in the file, its name, and what it is to us.</summary>
/// <param name="Id">Number in the file.</param>
/// <param name="Name">Name in messages.</param>
/// <param name="Dense">The plain type, or null.</param>
/// <param name="Packed">The block format, or null.</param>
/// <param name="FileType">general.file_type of a file that is mostly of this type.</param>
internal sealed record GgufType(uint Id, string Name, DType? Dense, BlockFormat? Packed, int FileType = 0)
{
    /// <summary>Values in one block; 1 for plain types.</summary>
    public int BlockLength => Packed?.BlockLength() ?? 1;

    /// <summary>Bytes of one block.</summary>
    public int BlockBytes => Packed?.BlockBytes() ?? Dense!.Value.SizeInBytes();
}

/// <summary>The element types that can be read, and the names of those that cannot.</summary>
internal static class GgufTypes
{
    /// <summary>Every type that can be read.</summary>
    public static IReadOnlyList<GgufType> All { get; } =
    [
        new(0, "F32", DType.F32, null, 0),
        new(1, "F16", DType.F16, null, 1),
        new(2, "Q4_0", null, BlockFormat.Q40, 2),
        new(3, "Q4_1", null, BlockFormat.Q41, 3),
        new(6, "Q5_0", null, BlockFormat.Q50, 8),
        new(7, "Q5_1", null, BlockFormat.Q51, 9),
        new(8, "Q8_0", null, BlockFormat.Q80, 7),
        new(10, "Q2_K", null, BlockFormat.Q2K, 10),
        new(11, "Q3_K", null, BlockFormat.Q3K, 12),
        new(12, "Q4_K", null, BlockFormat.Q4K, 15),
        new(13, "Q5_K", null, BlockFormat.Q5K, 17),
        new(14, "Q6_K", null, BlockFormat.Q6K, 18),
        new(30, "BF16", DType.BF16, null, 32),
    ];

    private static readonly Dictionary<uint, string> OtherNames = new()
    {
        [9] = "Q8_1",
        [15] = "Q8_K",
        [16] = "IQ2_XXS",
        [17] = "IQ2_XS",
        [18] = "IQ3_XXS",
        [19] = "IQ1_S",
        [20] = "IQ4_NL",
        [21] = "IQ3_S",
        [22] = "IQ2_S",
        [23] = "IQ4_XS",
        [24] = "I8",
        [25] = "I16",
        [26] = "I32",
        [27] = "I64",
        [28] = "F64",
        [29] = "IQ1_M",
        [34] = "TQ1_0",
        [35] = "TQ2_0",
        [39] = "MXFP4",
    };

    public static GgufType? Find(uint id)
    {
        foreach (GgufType type in All)
        {
            if (type.Id == id)
            {
                return type;
            }
        }

        return null;
    }

    /// <summary>The name of a type that cannot be read.</summary>
    public static string NameOf(uint id) => OtherNames.TryGetValue(id, out string? name) ? name : $"number {id}";

    /// <summary>Names of all types that can be read.</summary>
    public static string Supported => string.Join(", ", Names());

    private static IEnumerable<string> Names()
    {
        foreach (GgufType type in All)
        {
            yield return type.Name;
        }
    }
}
