// Makes src/Quire.Tokenization/Normalizers/UnicodeNormalization.bin from the Unicode Character Database:
//   dotnet run eng/unicode-normalization.cs -- FOLDER_WITH_UnicodeData.txt OUTPUT
// The folder holds UnicodeData.txt and CompositionExclusions.txt. The format is read by UnicodeNormalization.cs; all numbers are
// unsigned LEB128, code points of a section as differences from the one before.
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

string folder = args[0];
var classes = new SortedDictionary<int, int>();
var decompositions = new SortedDictionary<int, (bool Compatibility, int[] To)>();
foreach (string line in File.ReadLines(Path.Combine(folder, "UnicodeData.txt")))
{
    string[] fields = line.Split(';');
    int codePoint = Hex(fields[0]);
    int combiningClass = int.Parse(fields[3], CultureInfo.InvariantCulture);
    if (combiningClass != 0)
        classes.Add(codePoint, combiningClass);
    if (fields[5].Length == 0)
        continue;
    string[] parts = fields[5].Split(' ');
    bool compatibility = parts[0][0] == '<';
    decompositions.Add(codePoint, (compatibility, parts.Skip(compatibility ? 1 : 0).Select(Hex).ToArray()));
}
var excluded = File.ReadLines(Path.Combine(folder, "CompositionExclusions.txt"))
    .Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0).Select(Hex).ToHashSet();

using var output = new BinaryWriter(File.Create(args[1]));
Write(classes.Count);
int before = 0;
foreach ((int codePoint, int combiningClass) in classes)
{
    Write(codePoint - before);
    Write(combiningClass);
    before = codePoint;
}
Write(decompositions.Count);
before = 0;
foreach ((int codePoint, (bool compatibility, int[] to)) in decompositions)
{
    // A pair composes again unless it is excluded or does not begin with a starter (UAX 15, section 5).
    bool composes = !compatibility && to.Length == 2 && !excluded.Contains(codePoint)
        && !classes.ContainsKey(codePoint) && !classes.ContainsKey(to[0]);
    Write(codePoint - before);
    Write((to.Length << 2) | (compatibility ? 2 : 0) | (composes ? 1 : 0));
    foreach (int part in to)
        Write(part);
    before = codePoint;
}
return 0;

void Write(int value)
{
    for (; value >= 0x80; value >>= 7)
        output.Write((byte)(value | 0x80));
    output.Write((byte)value);
}

static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
