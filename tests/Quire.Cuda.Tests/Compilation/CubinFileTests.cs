using System;
using System.Linq;
using Quire.Cuda.Compilation;

namespace Quire.Cuda.Tests.Compilation;

public class CubinFileTests
{
    private static readonly byte[] Code = [.. Enumerable.Range(0, 300).Select(i => (byte)(i * 7))];
    private static readonly byte[] Fingerprint = [.. Enumerable.Range(0, 32).Select(i => (byte)(i + 100))];

    [Fact]
    public void Code_comes_back_as_it_was_written()
    {
        byte[] file = CubinFile.Encode(Code, Fingerprint, "NVRTC 13.0");
        Assert.True(CubinFile.TryDecode(file, Fingerprint, "NVRTC 13.0", out byte[]? code));
        Assert.Equal(Code, code);
        Assert.True(CubinFile.TryDecode(file, Fingerprint, null, out _));
    }

    [Fact]
    public void Code_of_other_sources_or_another_compiler_is_not_taken()
    {
        byte[] file = CubinFile.Encode(Code, Fingerprint, "NVRTC 13.0");
        Assert.False(CubinFile.TryDecode(file, new byte[32], null, out _));
        Assert.False(CubinFile.TryDecode(file, Fingerprint, "NVRTC 13.1", out _));
    }

    [Fact]
    public void A_file_that_was_cut_short_anywhere_is_noticed()
    {
        byte[] file = CubinFile.Encode(Code, Fingerprint, "NVRTC 13.0");
        for (int length = 0; length < file.Length; length++)
        {
            Assert.False(CubinFile.TryDecode(file.AsSpan(0, length), Fingerprint, null, out _), $"{length} of {file.Length} bytes");
        }

        Assert.False(CubinFile.TryDecode([.. file, 0], Fingerprint, null, out _));
    }

    [Fact]
    public void A_changed_byte_is_noticed_wherever_it_is()
    {
        byte[] file = CubinFile.Encode(Code, Fingerprint, "NVRTC 13.0");
        for (int i = 0; i < file.Length; i++)
        {
            byte[] damaged = [.. file];
            damaged[i] ^= 0x10;
            Assert.False(CubinFile.TryDecode(damaged, Fingerprint, "NVRTC 13.0", out _), $"byte {i}");
        }
    }

    [Fact]
    public void A_file_without_code_is_no_file() => Assert.False(CubinFile.TryDecode(CubinFile.Encode([], Fingerprint, ""), Fingerprint, null, out _));
}
