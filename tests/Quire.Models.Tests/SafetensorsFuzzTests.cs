using System;
using System.Text;
using Quire.Models.Tests.Support;
using Quire.Models.Weights;

namespace Quire.Models.Tests;

/// <summary>Random damage to files: a clear refusal or a file whose tensors lie inside it, never anything else.</summary>
public class SafetensorsFuzzTests
{
    private const string Valid =
        """{"__metadata__":{"format":"pt"},"model.embed":{"dtype":"BF16","shape":[4,8],"data_offsets":[0,64]},"b":{"dtype":"F32","shape":[2,3],"data_offsets":[64,88]},"e":{"dtype":"I64","shape":[0],"data_offsets":[88,88]}}""";

    private static readonly string[] Fragments =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"F32\"", "\"BF16\"", "\"BOOL\"", "\"__metadata__\"", "\"a\"", "0", "1",
        "-1", "64", "88", "4294967296", "9223372036854775807", "18446744073709551616", "1e308", "0.5", "null", "true", " ", "\\u0000", "\n",
    ];

    [Fact]
    public void Random_mutations_of_a_valid_file_are_refused_or_stay_inside_the_file()
    {
        using var folder = new TemporaryFolder();
        byte[] valid = SafetensorsBytes.File(Valid, 88);
        for (int seed = 0; seed < 1500; seed++)
        {
            var random = new Random(seed);
            byte[] file = Mutate(valid, random);
            string path = folder.Write("fuzz.safetensors", file);
            try
            {
                using SafetensorsFile opened = SafetensorsFile.Open(path);
                foreach (WeightTensor tensor in opened.Tensors.Values)
                {
                    Assert.True(tensor.SizeInBytes >= 0 && tensor.SizeInBytes <= file.Length, $"seed {seed}: {tensor.Name} has {tensor.SizeInBytes} bytes");
                }
            }
            catch (CheckpointException)
            {
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {error}");
            }
        }
    }

    [Fact]
    public void Random_headers_are_refused_or_cover_the_data_exactly_and_cost_memory_in_proportion()
    {
        int accepted = 0;
        for (int seed = 0; seed < 30_000; seed++)
        {
            var random = new Random(seed);
            byte[] header = RandomHeader(random);
            long dataBytes = random.Next(3) == 0 ? 88 : random.Next(200);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                SafetensorsHeader parsed = SafetensorsHeader.Parse(header, dataBytes, "fuzz");
                long position = 0;
                foreach (SafetensorsEntry entry in parsed.Entries)
                {
                    Assert.True(entry.Begin == position && entry.End >= position, $"seed {seed}: the tensors do not follow each other");
                    position = entry.End;
                }

                Assert.True(position == dataBytes, $"seed {seed}: the tensors do not cover the data");
                accepted++;
            }
            catch (CheckpointException)
            {
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {seed}: {error}");
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < 100_000 + 100L * header.Length, $"seed {seed}: {allocated} bytes were allocated for a header of {header.Length}");
        }

        Assert.True(accepted > 0, "no header was accepted: the fuzzer does not reach the checks behind the parser");
    }

    private static byte[] Mutate(byte[] valid, Random random)
    {
        byte[] file = random.Next(4) == 0 ? valid[..random.Next(valid.Length)] : (byte[])valid.Clone();
        for (int i = random.Next(1, 5); i > 0 && file.Length > 0; i--)
        {
            int at = random.Next(random.Next(2) == 0 ? Math.Min(16, file.Length) : file.Length);
            file[at] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)(file[at] ^ (1 << random.Next(8))),
                _ => (byte)('0' + random.Next(10)),
            };
        }

        return file;
    }

    /// <summary>Either the valid header with fragments put in or characters taken out, or a salad of fragments.</summary>
    private static byte[] RandomHeader(Random random)
    {
        var text = new StringBuilder(random.Next(4) == 0 ? "{" : Valid);
        for (int i = random.Next(0, 6); i > 0; i--)
        {
            int at = random.Next(text.Length);
            if (random.Next(2) == 0)
            {
                text.Insert(at, Fragments[random.Next(Fragments.Length)]);
            }
            else
            {
                text.Remove(at, Math.Min(random.Next(1, 4), text.Length - at));
                if (text.Length == 0)
                {
                    text.Append('{');
                }
            }
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }
}
