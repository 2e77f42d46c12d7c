using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace Quire.Benchmarks.Peers;

/// <summary>
/// Writes GGUF files (version 3, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) of Llama shapes with random weights: what a
/// step costs depends on shapes and formats, not on what the weights say. The vocabulary is made of numbered words.
/// </summary>
internal static class RandomGguf
{
    private const int Alignment = 32;

    /// <summary>Hidden size, layers, heads, key-value heads, inner size and vocabulary of a name.</summary>
    public static readonly IReadOnlyDictionary<string, (int Hidden, int Layers, int Heads, int KvHeads, int Inner, int Vocabulary)> Shapes =
        new Dictionary<string, (int Hidden, int Layers, int Heads, int KvHeads, int Inner, int Vocabulary)>
        {
            ["llama-1.1b"] = (2048, 22, 32, 4, 5632, 32000),
            ["llama-160m"] = (768, 12, 12, 4, 3072, 32000),
        };

    /// <summary>Identifier in the file, values and bytes of a block.</summary>
    private static readonly Dictionary<string, (uint Id, int Values, int Bytes)> Formats = new()
    {
        ["f32"] = (0, 1, 4),
        ["f16"] = (1, 1, 2),
        ["q4_0"] = (2, 32, 18),
        ["q4_1"] = (3, 32, 20),
        ["q5_0"] = (6, 32, 22),
        ["q5_1"] = (7, 32, 24),
        ["q8_0"] = (8, 32, 34),
        ["q4_k"] = (12, 256, 144),
        ["q5_k"] = (13, 256, 176),
        ["q6_k"] = (14, 256, 210),
        ["bf16"] = (30, 1, 2),
    };

    /// <summary>The mixtures that llama.cpp makes: most matrices, and those that get more bits.</summary>
    private static readonly Dictionary<string, (string Most, string Fine)> Mixtures = new()
    {
        ["q4_k_m"] = ("q4_k", "q6_k"),
        ["q5_k_m"] = ("q5_k", "q6_k"),
    };

    public static bool Knows(string format) => Formats.ContainsKey(format) || Mixtures.ContainsKey(format);

    /// <summary>
    /// In a mixture the output head and half of the values' and the last matrices of the layers have more bits: those of the first and the last
    /// eighth of the layers and every third between.
    /// </summary>
    private static string FormatOf(string name, string format, int layers)
    {
        if (!Mixtures.TryGetValue(format, out (string Most, string Fine) mixture))
        {
            return format;
        }

        if (name == "output.weight")
        {
            return mixture.Fine;
        }

        string[] words = name.Split('.');
        if (words[0] != "blk" || words[2] is not ("attn_v" or "ffn_down"))
        {
            return mixture.Most;
        }

        int layer = int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture);
        int eighth = layers / 8;
        return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2 ? mixture.Fine : mixture.Most;
    }

    /// <summary>Writes the file unless it is there.</summary>
    public static void Make(string path, string shapeName, string format)
    {
        if (File.Exists(path))
        {
            return;
        }

        (int hidden, int layers, int heads, int kvHeads, int inner, int vocabulary) = Shapes[shapeName];
        int kvSize = hidden / heads * kvHeads;
        var tensors = new List<(string Name, int Rows, int Columns)>
        {
            ("token_embd.weight", vocabulary, hidden),
            ("output_norm.weight", 0, hidden),
            ("output.weight", vocabulary, hidden),
        };
        for (int i = 0; i < layers; i++)
        {
            string block = $"blk.{i}.";
            tensors.AddRange(
            [
                (block + "attn_norm.weight", 0, hidden),
                (block + "ffn_norm.weight", 0, hidden),
                (block + "attn_q.weight", hidden, hidden),
                (block + "attn_k.weight", kvSize, hidden),
                (block + "attn_v.weight", kvSize, hidden),
                (block + "attn_output.weight", hidden, hidden),
                (block + "ffn_gate.weight", inner, hidden),
                (block + "ffn_up.weight", inner, hidden),
                (block + "ffn_down.weight", hidden, inner),
            ]);
        }

        using var header = new MemoryStream();
        using var writer = new BinaryWriter(header);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Count);
        WriteKeys(writer, shapeName, vocabulary);
        long offset = 0;
        foreach ((string name, int rows, int columns) in tensors)
        {
            Text(writer, name);
            writer.Write(rows == 0 ? 1u : 2u);
            writer.Write((ulong)columns);
            if (rows > 0)
            {
                writer.Write((ulong)rows);
            }

            string type = FormatOf(name, format, layers);
            writer.Write(Formats[rows == 0 ? "f32" : type].Id);
            writer.Write((ulong)offset);
            offset += Padded(SizeOf(rows, columns, type));
        }

        string unfinished = path + ".part";
        using (FileStream file = File.Create(unfinished))
        {
            header.Position = 0;
            header.CopyTo(file);
            file.Position = Padded(file.Position);
            var random = new Random(0);
            foreach ((string name, int rows, int columns) in tensors)
            {
                string type = FormatOf(name, format, layers);
                long end = file.Position + Padded(SizeOf(rows, columns, type));
                WriteTensor(file, rows, columns, type, random);
                file.Position = end;
            }

            file.SetLength(file.Position);
        }

        File.Move(unfinished, path);
    }

    private static void WriteKeys(BinaryWriter writer, string shapeName, int vocabulary)
    {
        (int hidden, int layers, int heads, int kvHeads, int inner, int _) = Shapes[shapeName];
        var numbers = new (string Key, int Value)[]
        {
            ("llama.block_count", layers),
            ("llama.context_length", 4096),
            ("llama.embedding_length", hidden),
            ("llama.feed_forward_length", inner),
            ("llama.attention.head_count", heads),
            ("llama.attention.head_count_kv", kvHeads),
            ("llama.vocab_size", vocabulary),
            ("tokenizer.ggml.bos_token_id", 1),
            ("tokenizer.ggml.eos_token_id", 2),
        };
        var texts = new (string Key, string Value)[]
        {
            ("general.architecture", "llama"),
            ("general.name", shapeName),
            ("tokenizer.ggml.model", "gpt2"),
            ("tokenizer.ggml.pre", "gpt-2"),
        };
        writer.Write((ulong)(texts.Length + numbers.Length + 4));
        foreach ((string key, string value) in texts)
        {
            Key(writer, key, 8);
            Text(writer, value);
        }

        foreach ((string key, int value) in numbers)
        {
            Key(writer, key, 4);
            writer.Write(value);
        }

        Key(writer, "llama.attention.layer_norm_rms_epsilon", 6);
        writer.Write(1e-5f);
        Key(writer, "tokenizer.ggml.tokens", 9);
        writer.Write(8u);
        writer.Write((ulong)vocabulary);
        for (int i = 0; i < vocabulary; i++)
        {
            Text(writer, $"t{i}");
        }

        Key(writer, "tokenizer.ggml.token_type", 9);
        writer.Write(5u);
        writer.Write((ulong)vocabulary);
        foreach (int type in Enumerable.Repeat(1, vocabulary))
        {
            writer.Write(type);
        }

        Key(writer, "tokenizer.ggml.merges", 9);
        writer.Write(8u);
        writer.Write(1ul);
        Text(writer, "t 1");
    }

    private static void WriteTensor(FileStream file, int rows, int columns, string format, Random random)
    {
        if (rows == 0)
        {
            byte[] ones = new byte[columns * sizeof(float)];
            for (int i = 0; i < columns; i++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(ones.AsSpan(i * sizeof(float)), 1);
            }

            file.Write(ones);
            return;
        }

        byte[] row = new byte[SizeOf(1, columns, format)];
        for (int r = 0; r < rows; r++)
        {
            Fill(row, format, random);
            file.Write(row);
        }
    }

    /// <summary>Values between about −0.04 and 0.04.</summary>
    private static void Fill(Span<byte> row, string format, Random random)
    {
        int bytes = Formats[format].Bytes;
        random.NextBytes(row);
        for (int i = 0; i < row.Length; i += bytes)
        {
            Span<byte> block = row.Slice(i, bytes);
            switch (format)
            {
                case "f32":
                    BinaryPrimitives.WriteSingleLittleEndian(block, (random.NextSingle() - 0.5f) * 0.08f);
                    break;
                case "f16":
                    BinaryPrimitives.WriteHalfLittleEndian(block, (Half)((random.NextSingle() - 0.5f) * 0.08f));
                    break;
                case "bf16":
                    BinaryPrimitives.WriteUInt16LittleEndian(block, (ushort)(BitConverter.SingleToUInt32Bits((random.NextSingle() - 0.5f) * 0.08f) >> 16));
                    break;
                case "q6_k":
                    BinaryPrimitives.WriteHalfLittleEndian(block[208..], (Half)1e-5f);
                    break;
                case "q4_k" or "q5_k":
                    // Six bits of scale times the quant, less six bits of minimum: about even around zero.
                    BinaryPrimitives.WriteHalfLittleEndian(block, (Half)(format == "q5_k" ? 6e-5f : 1.2e-4f));
                    BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)9e-4f);
                    break;
                case "q4_1" or "q5_1":
                    BinaryPrimitives.WriteHalfLittleEndian(block, (Half)(format == "q5_1" ? 0.0025f : 0.005f));
                    BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)(-0.0375f));
                    break;
                default:
                    BinaryPrimitives.WriteHalfLittleEndian(block, (Half)(bytes == 34 ? 0.0003f : format == "q5_0" ? 0.0025f : 0.005f));
                    break;
            }
        }
    }

    private static long SizeOf(int rows, int columns, string format) => rows == 0
        ? columns * (long)sizeof(float)
        : (long)rows * columns / Formats[format].Values * Formats[format].Bytes;

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Key(BinaryWriter writer, string key, uint type)
    {
        Text(writer, key);
        writer.Write(type);
    }

    private static void Text(BinaryWriter writer, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
