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
        ["q8_0"] = (8, 32, 34),
        ["bf16"] = (30, 1, 2),
    };

    public static bool Knows(string format) => Formats.ContainsKey(format);

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

            writer.Write(Formats[rows == 0 ? "f32" : format].Id);
            writer.Write((ulong)offset);
            offset += Padded(SizeOf(rows, columns, format));
        }

        string unfinished = path + ".part";
        using (FileStream file = File.Create(unfinished))
        {
            header.Position = 0;
            header.CopyTo(file);
            file.Position = Padded(file.Position);
            var random = new Random(0);
            foreach ((string _, int rows, int columns) in tensors)
            {
                long end = file.Position + Padded(SizeOf(rows, columns, format));
                WriteTensor(file, rows, columns, format, random);
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
        (uint _, int values, int bytes) = Formats[format];
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
                default:
                    BinaryPrimitives.WriteHalfLittleEndian(block, (Half)(values == 32 && bytes == 34 ? 0.0003f : 0.005f));
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
