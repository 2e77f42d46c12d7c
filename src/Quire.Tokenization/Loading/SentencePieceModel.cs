using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using Quire.Tokenization.Gguf;

namespace Quire.Tokenization.Loading;

/// <summary>
/// Reads a SentencePiece <c>tokenizer.model</c>: a protocol buffer (sentencepiece_model.proto) with the pieces, the kind of model and the
/// normalizer. Fields that are not needed are passed over; every length is checked against what is left.
/// </summary>
internal static class SentencePieceModel
{
    private const int PiecesMax = VocabularyBuilder.IdMax + 1;

    /// <summary>The tokenizer as the keys of a GGUF file would state it.</summary>
    public static GgufVocabulary Read(string file, ReadOnlySpan<byte> bytes)
    {
        var tokens = new List<string>();
        var scores = new List<float>();
        var types = new List<GgufTokenType>();
        GgufVocabulary model = new() { File = file, Model = "t5", AddSpacePrefix = true };
        var roles = new Dictionary<string, int> { ["unknown"] = 0, ["bos"] = 1, ["eos"] = 2 };
        var reader = new ProtocolReader(file, bytes);
        while (reader.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    if (tokens.Count >= PiecesMax)
                        throw new TokenizerException($"{file} has more than {PiecesMax} pieces.");
                    ReadPiece(reader.Message(), tokens, scores, types);
                    break;
                case 2:
                    model = ReadTrainer(reader.Message(), model, roles);
                    break;
                case 3:
                    model = ReadNormalizer(reader.Message(), model);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        foreach (string role in (string[])[.. roles.Keys])
        {
            if (roles[role] < 0 || roles[role] >= tokens.Count)
                roles.Remove(role);
        }
        return model with { Tokens = tokens, Scores = scores, Types = types, Roles = roles };
    }

    private static void ReadPiece(ProtocolReader reader, List<string> tokens, List<float> scores, List<GgufTokenType> types)
    {
        string text = string.Empty;
        float score = 0;
        GgufTokenType type = GgufTokenType.Normal;
        while (reader.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    text = reader.Text();
                    break;
                case 2:
                    score = reader.Single();
                    break;
                case 3:
                    type = (GgufTokenType)reader.Integer();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        tokens.Add(text);
        scores.Add(score);
        types.Add(type);
    }

    private static GgufVocabulary ReadTrainer(ProtocolReader reader, GgufVocabulary model, Dictionary<string, int> roles)
    {
        while (reader.Next(out int field))
        {
            switch (field)
            {
                case 3:
                    int kind = reader.Integer();
                    string name = kind switch
                    {
                        1 => "t5",
                        2 => "llama",
                        _ => throw new TokenizerException($"{model.File}: trainer_spec.model_type is {kind}; 1 (unigram) and 2 (BPE) are supported."),
                    };
                    model = model with { Model = name };
                    break;
                case 40:
                    roles["unknown"] = reader.Integer();
                    break;
                case 41:
                    roles["bos"] = reader.Integer();
                    break;
                case 42:
                    roles["eos"] = reader.Integer();
                    break;
                case 43:
                    roles["padding"] = reader.Integer();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return model;
    }

    private static GgufVocabulary ReadNormalizer(ProtocolReader reader, GgufVocabulary model)
    {
        while (reader.Next(out int field))
        {
            switch (field)
            {
                case 2:
                    model = model with { CharacterMap = reader.Bytes().ToArray() };
                    break;
                case 3:
                    model = model with { AddSpacePrefix = reader.Integer() != 0 };
                    break;
                case 4:
                    model = model with { RemoveExtraSpaces = reader.Integer() != 0 };
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return model;
    }
}

/// <summary>Reads the fields of one protocol buffer message in order (https://protobuf.dev/programming-guides/encoding).</summary>
internal ref struct ProtocolReader(string file, ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;
    private int _wire;

    /// <summary>Goes to the next field; false at the end.</summary>
    public bool Next(out int field)
    {
        field = 0;
        if (_rest.IsEmpty)
            return false;
        ulong tag = Varint();
        _wire = (int)(tag & 7);
        field = tag >> 3 is > 0 and < 1 << 29 ? (int)(tag >> 3) : throw Broken();
        return true;
    }

    public ReadOnlySpan<byte> Bytes()
    {
        if (_wire != 2)
            throw Broken();
        ulong length = Varint();
        if (length > (ulong)_rest.Length)
            throw Broken();
        ReadOnlySpan<byte> value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    public ProtocolReader Message() => new(file, Bytes());

    public string Text() => Encoding.UTF8.GetString(Bytes());

    /// <summary>An integer of 32 bits; negative ones are written in ten bytes.</summary>
    public int Integer() => _wire == 0 ? unchecked((int)Varint()) : throw Broken();

    public float Single()
    {
        if (_wire != 5 || _rest.Length < 4)
            throw Broken();
        float value = BinaryPrimitives.ReadSingleLittleEndian(_rest);
        _rest = _rest[4..];
        return value;
    }

    public void Skip()
    {
        switch (_wire)
        {
            case 0:
                Varint();
                break;
            case 1:
                _rest = _rest.Length >= 8 ? _rest[8..] : throw Broken();
                break;
            case 2:
                Bytes();
                break;
            case 5:
                _rest = _rest.Length >= 4 ? _rest[4..] : throw Broken();
                break;
            default:
                throw Broken();
        }
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && !_rest.IsEmpty; shift += 7)
        {
            byte part = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
        throw Broken();
    }

    private readonly TokenizerException Broken() => new($"{file} is not a SentencePiece model, or is cut off.");
}
