using System;
using System.IO;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;

namespace Quire.Models.Tests;

public class MappedMemoryTests
{
    [Fact]
    public unsafe void Pages_that_were_let_go_are_read_again()
    {
        using var folder = new TemporaryFolder();
        const int Bytes = 20_000_000;
        folder.Write("model.safetensors", SafetensorsBytes.File($"{{\"a\": {{\"dtype\": \"U8\", \"shape\": [{Bytes}], \"data_offsets\": [0, {Bytes}]}}}}", Bytes));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder.Path, "model.safetensors"));
        WeightTensor tensor = file.Tensors["a"];
        Assert.True(tensor.IsMapped);
        for (int round = 0; round < 3; round++)
        {
            MappedMemory.Populate(tensor.Data, tensor.SizeInBytes);
            var data = new ReadOnlySpan<byte>((void*)tensor.Data, Bytes);
            for (int i = 0; i < Bytes; i += 997)
            {
                Assert.Equal((byte)i, data[i]);
            }

            // Odd ranges are rounded inwards to whole pages; one smaller than a page is nothing.
            MappedMemory.Release(tensor.Data + 1, tensor.SizeInBytes - 3);
            MappedMemory.Release(tensor.Data + 5, 10);
        }
    }
}
