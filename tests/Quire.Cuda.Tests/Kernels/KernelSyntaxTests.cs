using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Quire.Cuda.Device;
using Quire.Cuda.Tests.Support;

namespace Quire.Cuda.Tests.Kernels;

/// <summary>What can be known about the kernels without a card: that they compile, and that both sides mean the same by their arguments.</summary>
public partial class KernelSyntaxTests
{
    /// <summary>Structures of the device whose host side needs a longer name.</summary>
    private static readonly Dictionary<string, string> OtherNames = new() { ["GenericArguments"] = "GenericAttentionArguments" };

    public static TheoryData<string> Sources => [.. Directory.GetFiles(Folder, "*.cu").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static string Folder => Path.Combine(
        typeof(KernelSyntaxTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == "RepositoryRoot").Value!,
        "src/Quire.Cuda/Kernels");

    [Theory]
    [MemberData(nameof(Sources))]
    public void A_kernel_compiles_for_each_element_type(string source)
    {
        foreach (string define in new[] { "-DQUIRE_BF16", "-DQUIRE_F16" })
        {
            (bool succeeded, string output) = DeviceCompiler.Run(Path.Combine(Folder, source), define);
            Assert.True(succeeded, output);
            Assert.DoesNotContain("warning:", output);
            Assert.Contains(".entry", output);
        }
    }

    [Theory]
    [InlineData("attention_decode.cu")]
    [InlineData("attention_prefill.cu")]
    [InlineData("attention_generic.cu")]
    [InlineData("cache_store.cu")]
    public void What_reads_and_writes_the_cache_compiles_for_each_kind_of_cell(string source)
    {
        foreach (CacheCodes codes in Enum.GetValues<CacheCodes>())
        {
            foreach (string type in new[] { "-DQUIRE_BF16", "-DQUIRE_F16" })
            {
                foreach (int headDim in new[] { 80, 128 })
                {
                    string cells = codes == CacheCodes.None ? "-DQUIRE_NO_CODES" : $"-DQUIRE_CODES={(int)codes}";
                    (bool succeeded, string output) = DeviceCompiler.Run(Path.Combine(Folder, source), type, cells, $"-DQUIRE_HEAD_DIM={headDim}");
                    Assert.True(succeeded, output);
                    Assert.DoesNotContain("warning:", output);
                }
            }
        }
    }

    [Fact]
    public void The_check_notices_what_does_not_compile()
    {
        using var folder = new TemporaryFolder();
        string wrong = folder.File("wrong.cu", "extern \"C\" __global__ void f(int a) { a = missing; }");
        (bool succeeded, string output) = DeviceCompiler.Run(wrong);
        Assert.False(succeeded);
        Assert.Contains("missing", output);
    }

    [Theory]
    [MemberData(nameof(Sources))]
    public void Arguments_lie_in_memory_on_the_host_as_on_the_device(string source)
    {
        (bool succeeded, string output) = DeviceCompiler.Run(Path.Combine(Folder, source), "-Xclang", "-fdump-record-layouts-complete");
        Assert.True(succeeded, output);
        string text = File.ReadAllText(Path.Combine(Folder, source));
        string[] used = [.. KernelParameter().Matches(text).Select(match => match.Groups[1].Value).Distinct()];
        Assert.NotEmpty(used);
        foreach (string name in used)
        {
            Type? host = typeof(CudaDevice).Assembly.GetType($"Quire.Cuda.{OtherNames.GetValueOrDefault(name, name)}");
            Assert.True(host is not null, $"{source}: the host has no structure {name}");
            Assert.Equal(DeviceLayout(output, name), HostLayout(host));
        }
    }

    /// <summary>Lines such as "8 table i" for a field of four bytes, then "24 end".</summary>
    private static List<string> DeviceLayout(string dump, string name)
    {
        Match record = Regex.Match(dump, $@"^ *0 \| struct {name}\n((?: *\d+ \|   [^\n]*\n)*) *\| \[sizeof=(\d+)", RegexOptions.Multiline);
        Assert.True(record.Success, $"no layout of {name}");
        var lines = new List<string>();
        foreach (Match field in DeviceField().Matches(record.Groups[1].Value))
        {
            string type = field.Groups[2].Value;
            string kind = type.Contains('*', StringComparison.Ordinal) ? "pointer" : type.Trim() switch
            {
                "int" or "unsigned int" or "u32" => "int",
                "i64" or "u64" or "long long" or "unsigned long long" => "long",
                var other => other.Trim(),
            };
            lines.Add($"{field.Groups[1].Value} {field.Groups[3].Value.ToUpperInvariant()} {kind}");
        }

        lines.Add($"{record.Groups[2].Value} end");
        return lines;
    }

    private static List<string> HostLayout(Type type)
    {
        var lines = new List<string>();
        int offset = 0;
        int alignment = 1;
        foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(field => field.MetadataToken))
        {
            int size = SizeOf(field.FieldType);
            int aligned = field.FieldType.IsPrimitive ? size : 8;
            string kind = field.FieldType switch
            {
                var t when t == typeof(nint) => "pointer",
                var t when t == typeof(int) || t == typeof(uint) => "int",
                var t when t == typeof(long) || t == typeof(ulong) => "long",
                var t when t == typeof(float) => "float",
                var t when !t.IsPrimitive => $"struct {t.Name}",
                var t => throw new NotSupportedException($"{type.Name}.{field.Name} has the type {t.Name}, which the comparison does not know"),
            };
            offset = (offset + aligned - 1) / aligned * aligned;
            alignment = Math.Max(alignment, aligned);
            lines.Add($"{offset} {FieldName(field).ToUpperInvariant()} {kind}");
            offset += size;
        }

        Assert.True(type.IsLayoutSequential, $"{type.Name} is laid out in sequence");

        // A structure of the device with an alignment of its own may end later; the host's then says its size.
        int total = type.StructLayoutAttribute!.Size is > 0 and var given ? given : (offset + alignment - 1) / alignment * alignment;
        Assert.Equal(total, SizeOf(type));
        lines.Add($"{total} end");
        return lines;
    }

    private static int SizeOf(Type type) => (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    private static string FieldName(FieldInfo field) => field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name;

    [GeneratedRegex(@"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?\w+\(\s*const\s+(?:__grid_constant__\s+)?(\w+)\s+\w+\s*\)")]
    private static partial Regex KernelParameter();

    [GeneratedRegex(@"^ *(\d+) \|   (\S.*?)(\w+)$", RegexOptions.Multiline)]
    private static partial Regex DeviceField();
}
