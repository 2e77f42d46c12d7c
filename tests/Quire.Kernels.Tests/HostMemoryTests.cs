using System;
using Quire.Tensors;

namespace Quire.Kernels.Tests;

public class HostMemoryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Allocations_of_every_size_are_zeroed_aligned_and_apart(bool usesHugePages)
    {
        using var memory = new HostMemory(usesHugePages);
        long[] sizes = [0, 1, 63, 300_000, 256 * 1024, 5 << 20, 40 << 20, 40 << 20, 70 << 20, 1 << 20];
        var addresses = new nint[sizes.Length];
        long total = 0;
        for (int i = 0; i < sizes.Length; i++)
        {
            addresses[i] = memory.AllocateBytes(sizes[i]);
            total += sizes[i];
            Assert.NotEqual(0, addresses[i]);
            Assert.Equal(0, addresses[i] % 64);
            Assert.Equal(-1, Bytes(addresses[i], sizes[i]).IndexOfAnyExcept((byte)0));
            Bytes(addresses[i], sizes[i]).Fill((byte)(i + 1));
        }

        Assert.Equal(total, memory.AllocatedBytes);
        for (int i = 0; i < sizes.Length; i++)
        {
            Assert.Equal(-1, Bytes(addresses[i], sizes[i]).IndexOfAnyExcept((byte)(i + 1)));
        }
    }

    [Fact]
    public void What_was_taken_over_outlives_the_memory_that_allocated_it()
    {
        using var owner = new HostMemory(usesHugePages: true);
        using (var other = new HostMemory(usesHugePages: true))
        {
            nint large = other.AllocateBytes(1 << 20);
            Bytes(large, 1 << 20).Fill(7);
            owner.Adopt(other);
            Assert.Equal(0, other.AllocatedBytes);

            // A further allocation does not come from the region that was given away.
            nint later = other.AllocateBytes(1 << 20);
            other.Dispose();
            Assert.NotEqual(large, later);
            Assert.Equal(-1, Bytes(large, 1 << 20).IndexOfAnyExcept((byte)7));
        }

        Assert.Equal(1 << 20, owner.AllocatedBytes);
    }

    [Fact]
    public void More_than_the_address_space_is_refused()
    {
        using var memory = new HostMemory(usesHugePages: true);
        Assert.ThrowsAny<Exception>(() => memory.AllocateBytes(long.MaxValue - 100));
        Assert.Equal(0, memory.AllocatedBytes);
    }

    private static unsafe Span<byte> Bytes(nint address, long count) => new((void*)address, checked((int)count));
}
