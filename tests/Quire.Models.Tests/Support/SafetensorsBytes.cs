using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Quire.Models.Tests.Support;

/// <summary>Writes safetensors files, right ones and wrong ones.</summary>
internal static class SafetensorsBytes
{
    /// <summary>A file of this header and this much data, every byte of data being its position.</summary>
    public static byte[] File(string header, int dataBytes, ulong? headerLength = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, headerLength ?? (ulong)json.Length);
        json.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++)
        {
            file[8 + json.Length + i] = (byte)i;
        }

        return file;
    }

    /// <summary>A valid file of F32 tensors.</summary>
    public static byte[] Floats(IEnumerable<(string Name, int[] Shape, float[] Values)> tensors)
    {
        var entries = new List<string>();
        var data = new List<byte>();
        foreach ((string name, int[] shape, float[] values) in tensors)
        {
            int begin = data.Count;
            data.AddRange(values.SelectMany(BitConverter.GetBytes));
            entries.Add($"\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{begin},{data.Count}]}}");
        }

        byte[] file = File("{" + string.Join(',', entries) + "}", data.Count);
        data.CopyTo(file, file.Length - data.Count);
        return file;
    }
}
