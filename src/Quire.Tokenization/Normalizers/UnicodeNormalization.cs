using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Quire.Tokenization.Normalizers;

/// <summary>
/// The Unicode normalization forms (Unicode Standard Annex 15), data of Unicode 15. Our own because <see cref="string.Normalize()"/> leaves
/// text as it is in invariant globalization mode, and otherwise differs with the machine's ICU.
/// </summary>
internal static class UnicodeNormalization
{
    private const string ResourceName = "Quire.Tokenization.Normalizers.UnicodeNormalization.bin";

    // Every form leaves these alone.
    private const char LastPlainComposed = '\u02FF';
    private const char LastPlainDecomposed = '\u007F';

    private const int HangulBase = 0xAC00;
    private const int HangulCount = 11172;
    private const int LeadBase = 0x1100;
    private const int LeadCount = 19;
    private const int VowelBase = 0x1161;
    private const int VowelCount = 21;
    private const int TailBase = 0x11A7;
    private const int TailCount = 28;

    private static readonly Lazy<Tables> Data = new(Tables.Load);

    public static string Normalize(string text, NormalizationForm form)
    {
        char lastPlain = form == NormalizationForm.FormC ? LastPlainComposed : LastPlainDecomposed;
        int position = text.AsSpan().IndexOfAnyExceptInRange('\0', lastPlain);
        if (position < 0)
            return text;
        Tables tables = Data.Value;
        ulong[] unstable = tables.UnstableIn(form);
        StringBuilder? normalized = null;
        int copied = 0;
        int stableStart = Math.Max(0, position - 1);
        while (position < text.Length)
        {
            Rune.DecodeFromUtf16(text.AsSpan(position), out Rune rune, out int length);
            if (IsIn(unstable, rune.Value))
            {
                // From the last stable character before up to the next one: nothing outside takes part in what happens here.
                int end = position + length;
                while (end < text.Length)
                {
                    Rune.DecodeFromUtf16(text.AsSpan(end), out rune, out length);
                    if (!IsIn(unstable, rune.Value))
                        break;
                    end += length;
                }
                normalized ??= new StringBuilder(text.Length + 16);
                normalized.Append(text, copied, stableStart - copied);
                AppendNormalized(tables, text.AsSpan(stableStart, end - stableStart), form, normalized);
                copied = stableStart = position = end;
                continue;
            }
            stableStart = position;
            position += length;
        }
        return normalized is null ? text : normalized.Append(text, copied, text.Length - copied).ToString();
    }

    private static bool IsIn(ulong[] set, int rune) => (set[rune >> 6] & (1UL << (rune & 63))) != 0;

    private static void AppendNormalized(Tables tables, ReadOnlySpan<char> text, NormalizationForm form, StringBuilder normalized)
    {
        bool compatibility = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        var runes = new List<int>(text.Length + 16);
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(tables, rune.Value, compatibility, runes);
        Order(tables, runes);
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC)
            Compose(tables, runes);
        Span<char> units = stackalloc char[2];
        foreach (int rune in runes)
            normalized.Append(units[..new Rune(rune).EncodeToUtf16(units)]);
    }

    private static void Decompose(Tables tables, int rune, bool compatibility, List<int> runes)
    {
        if ((uint)(rune - HangulBase) < HangulCount)
        {
            int syllable = rune - HangulBase;
            runes.Add(LeadBase + (syllable / (VowelCount * TailCount)));
            runes.Add(VowelBase + (syllable / TailCount % VowelCount));
            if (syllable % TailCount != 0)
                runes.Add(TailBase + (syllable % TailCount));
        }
        else if (tables.Decompositions.TryGetValue(rune, out (bool Compatibility, int[] To) found)
            && (compatibility || !found.Compatibility))
        {
            // The data is a fixed resource without cycles, a few levels deep.
            foreach (int part in found.To)
                Decompose(tables, part, compatibility, runes);
        }
        else
        {
            runes.Add(rune);
        }
    }

    // Sorts each run of marks by combining class, keeping the order of equals (the Canonical Ordering Algorithm).
    private static void Order(Tables tables, List<int> runes)
    {
        int start = 0;
        while (start < runes.Count)
        {
            if (tables.ClassOf(runes[start]) == 0)
            {
                start++;
                continue;
            }
            int end = start + 1;
            while (end < runes.Count && tables.ClassOf(runes[end]) != 0)
                end++;
            SortMarks(tables, runes, start, end);
            start = end;
        }
    }

    private static void SortMarks(Tables tables, List<int> runes, int start, int end)
    {
        if (end - start < 2)
            return;
        // Class and place in one key, so that equals stay in order and a long run of marks costs n log n.
        var keys = new long[end - start];
        var marks = new int[end - start];
        for (int i = start; i < end; i++)
        {
            keys[i - start] = ((long)tables.ClassOf(runes[i]) << 32) | (uint)i;
            marks[i - start] = runes[i];
        }
        Array.Sort(keys, marks);
        for (int i = start; i < end; i++)
            runes[i] = marks[i - start];
    }

    private static void Compose(Tables tables, List<int> runes)
    {
        int kept = 0;
        int starter = -1;
        int lastClass = 0;
        for (int i = 0; i < runes.Count; i++)
        {
            int rune = runes[i];
            int combiningClass = tables.ClassOf(rune);
            // Blocked when a kept mark stands between with an equal or higher class, or any kept rune when this one is a starter.
            bool adjacent = starter == kept - 1;
            if (starter >= 0 && (adjacent || (lastClass != 0 && lastClass < combiningClass))
                && TryCompose(tables, runes[starter], rune, out int composed))
            {
                runes[starter] = composed;
                continue;
            }
            if (combiningClass == 0)
                starter = kept;
            lastClass = combiningClass;
            runes[kept++] = rune;
        }
        runes.RemoveRange(kept, runes.Count - kept);
    }

    private static bool TryCompose(Tables tables, int first, int second, out int composed)
    {
        if ((uint)(first - LeadBase) < LeadCount && (uint)(second - VowelBase) < VowelCount)
        {
            composed = HangulBase + ((((first - LeadBase) * VowelCount) + second - VowelBase) * TailCount);
            return true;
        }
        if ((uint)(first - HangulBase) < HangulCount && (first - HangulBase) % TailCount == 0
            && second > TailBase && second < TailBase + TailCount)
        {
            composed = first + second - TailBase;
            return true;
        }
        return tables.Compositions.TryGetValue((first, second), out composed);
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, byte> _classes = [];
        private readonly ulong[]?[] _unstable = new ulong[]?[8];

        public Dictionary<int, (bool Compatibility, int[] To)> Decompositions { get; } = [];

        public Dictionary<(int First, int Second), int> Compositions { get; } = [];

        public int ClassOf(int rune) => rune <= LastPlainComposed ? 0 : _classes.GetValueOrDefault(rune);

        /// <summary>
        /// The characters that may change in a form, or change with what stands before them. Text may be cut before any other character.
        /// </summary>
        public ulong[] UnstableIn(NormalizationForm form)
        {
            ref ulong[]? set = ref _unstable[(int)form];
            return set ??= MakeUnstable(form);
        }

        private ulong[] MakeUnstable(NormalizationForm form)
        {
            var set = new ulong[0x110000 / 64];
            bool composes = form is NormalizationForm.FormC or NormalizationForm.FormKC;
            bool compatibility = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
            foreach (int rune in _classes.Keys)
                Add(rune);
            var composites = new HashSet<int>(Compositions.Values);
            foreach ((int rune, (bool Compatibility, int[] To) decomposition) in Decompositions)
            {
                // A composite stays composed, but for the compatibility forms one of its parts may change.
                bool stays = composes && composites.Contains(rune)
                    && !(compatibility && Array.Exists(decomposition.To, ChangesForCompatibility));
                if ((compatibility || !decomposition.Compatibility) && !stays)
                    Add(rune);
            }
            foreach ((int _, int second) in Compositions.Keys)
                Add(second);
            for (int rune = VowelBase; rune < VowelBase + VowelCount; rune++)
                Add(rune);
            for (int rune = TailBase + 1; rune < TailBase + TailCount; rune++)
                Add(rune);
            for (int rune = HangulBase; rune < HangulBase + HangulCount && !composes; rune++)
                Add(rune);
            return set;

            void Add(int rune) => set[rune >> 6] |= 1UL << (rune & 63);
        }

        private bool ChangesForCompatibility(int rune) => Decompositions.TryGetValue(rune, out (bool Compatibility, int[] To) found)
            && (found.Compatibility || Array.Exists(found.To, ChangesForCompatibility));

        public static Tables Load()
        {
            using Stream stream = typeof(UnicodeNormalization).Assembly.GetManifestResourceStream(ResourceName)
                ?? throw new InvalidOperationException($"The resource {ResourceName} is not in the assembly.");
            using var reader = new BinaryReader(stream);
            var tables = new Tables();
            int rune = 0;
            for (int left = reader.Read7BitEncodedInt(); left > 0; left--)
            {
                rune += reader.Read7BitEncodedInt();
                tables._classes.Add(rune, (byte)reader.Read7BitEncodedInt());
            }
            rune = 0;
            for (int left = reader.Read7BitEncodedInt(); left > 0; left--)
            {
                rune += reader.Read7BitEncodedInt();
                int header = reader.Read7BitEncodedInt();
                var to = new int[header >> 2];
                for (int i = 0; i < to.Length; i++)
                    to[i] = reader.Read7BitEncodedInt();
                tables.Decompositions.Add(rune, ((header & 2) != 0, to));
                if ((header & 1) != 0)
                    tables.Compositions.Add((to[0], to[1]), rune);
            }
            return tables;
        }
    }
}
