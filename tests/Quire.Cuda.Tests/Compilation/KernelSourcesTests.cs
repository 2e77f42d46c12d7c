using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using Quire.Cuda.Compilation;

namespace Quire.Cuda.Tests.Compilation;

public class KernelSourcesTests
{
    [Fact]
    public void The_assembly_carries_every_kernel_under_its_file_name()
    {
        string root = typeof(KernelSourcesTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!;
        string folder = Path.Combine(root, "src/Quire.Cuda/Kernels");
        var sources = KernelSources.Embedded();
        Assert.NotEmpty(sources.Names);
        foreach (string file in Directory.GetFiles(folder, "*.cu*", SearchOption.AllDirectories))
        {
            Assert.Equal(File.ReadAllText(file), sources[Path.GetFileName(file)]);
        }
    }

    [Fact]
    public void Neighbouring_texts_do_not_run_together()
    {
        Dictionary<string, string> first = new() { ["a.cu"] = "x", ["b.cuh"] = "one", ["c.cuh"] = "two" };
        Dictionary<string, string> second = new() { ["a.cu"] = "x", ["b.cuh"] = "onec.cuh", ["c.cuh"] = "two" };
        byte[] fingerprint = new KernelSources(first).Fingerprint("a.cu", ["p", "q"]);
        Assert.Equal(fingerprint, new KernelSources(first).Fingerprint("a.cu", ["p", "q"]));
        Assert.NotEqual(fingerprint, new KernelSources(second).Fingerprint("a.cu", ["p", "q"]));
        Assert.NotEqual(fingerprint, new KernelSources(first).Fingerprint("a.cu", ["pq"]));
        Assert.NotEqual(fingerprint, new KernelSources(first).Fingerprint("a.cu", ["q", "p"]));
    }

    [Fact]
    public void Another_kernel_does_not_matter()
    {
        Dictionary<string, string> one = new() { ["a.cu"] = "x" };
        Dictionary<string, string> two = new() { ["a.cu"] = "x", ["b.cu"] = "y" };
        Assert.Equal(new KernelSources(one).Fingerprint("a.cu", []), new KernelSources(two).Fingerprint("a.cu", []));
    }
}
