using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Quire.Cuda.Device;
using Quire.Cuda.Interop;
using Quire.Cuda.Tests.Support;

namespace Quire.Cuda.Tests.Interop;

public sealed class LibrarySearchTests : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly List<string> _loads = [];

    [Fact]
    public void The_driver_comes_from_the_systems_loader_first()
    {
        SkipOnWindows();
        _root.File("usr/lib64/libcuda.so.1");
        Assert.Equal(1, Search(name => name == "libcuda.so.1").Find(CudaLibraries.DriverLibrary()));
        Assert.Equal(["libcuda.so.1"], _loads);
    }

    [Theory]
    [InlineData("usr/lib/x86_64-linux-gnu")]
    [InlineData("usr/lib64")]
    [InlineData("usr/local/nvidia/lib64")]
    [InlineData("usr/lib/wsl/lib")]
    public void The_driver_is_found_where_the_loader_does_not_look(string folder)
    {
        SkipOnWindows();
        string file = _root.File($"{folder}/libcuda.so.1");
        Assert.NotEqual(0, Search(File.Exists).Find(CudaLibraries.DriverLibrary()));
        Assert.Equal(file, _loads[^1]);
    }

    [Fact]
    public void Stand_ins_for_the_driver_are_never_loaded()
    {
        SkipOnWindows();
        string stub = _root.File("usr/local/cuda/lib64/stubs/libcuda.so.1");
        string compat = _root.File("usr/local/cuda/compat/libcuda.so.1");
        Directory.CreateDirectory(_root.Combine("usr/lib64"));
        File.CreateSymbolicLink(_root.Combine("usr/lib64/libcuda.so.1"), stub);
        Directory.CreateDirectory(_root.Combine("usr/lib/x86_64-linux-gnu"));
        File.CreateSymbolicLink(_root.Combine("usr/lib/x86_64-linux-gnu/libcuda.so.1"), compat);
        string[] configured = [Path.GetDirectoryName(stub)!, Path.GetDirectoryName(compat)!];
        Assert.Equal(0, Search(File.Exists, configured).Find(CudaLibraries.DriverLibrary()));
        Assert.Equal(["libcuda.so.1"], _loads);
    }

    [Theory]
    [InlineData("/usr/local/cuda/lib64/stubs", false)]
    [InlineData("/usr/local/cuda/compat", false)]
    [InlineData("/usr/local/cuda/compat_orin/x", false)]
    [InlineData("C:\\cuda\\Stubs\\x.dll", false)]
    [InlineData("/usr/local/cuda/lib64", true)]
    [InlineData("/opt/compatible/stubsy", true)]
    public void Folders_of_stand_ins_are_told_by_a_component(string path, bool trustworthy) =>
        Assert.Equal(trustworthy, LibraryPlaces.IsTrustworthy(path));

    [Fact]
    public void Configured_folders_come_before_the_loader_and_the_loader_before_the_rest()
    {
        SkipOnWindows();
        string mine = _root.File("mine/libnvrtc.so.13");
        _root.File("usr/local/cuda/lib64/libnvrtc.so.13");
        Assert.NotEqual(0, Search(_ => true, [_root.Combine("mine")]).Find(CudaLibraries.NvrtcLibrary(13)));
        Assert.Equal([mine], _loads);

        _loads.Clear();
        Assert.NotEqual(0, Search(_ => true).Find(CudaLibraries.NvrtcLibrary(13)));
        Assert.Equal(["libnvrtc.so.13"], _loads);
    }

    [Theory]
    [InlineData("usr/local/cuda/lib64")]
    [InlineData("usr/local/cuda-13.0/lib64")]
    [InlineData("usr/local/cuda-12.9/targets/x86_64-linux/lib")]
    [InlineData("opt/cuda/lib64")]
    [InlineData("usr/lib/python3/dist-packages/nvidia/cu13/lib")]
    [InlineData("usr/local/lib/python3.12/dist-packages/nvidia/cublas/lib")]
    [InlineData("opt/torch/.venv/lib/python3.12/site-packages/nvidia/cu13/lib")]
    [InlineData("opt/conda/lib/python3.11/site-packages/nvidia/cublas/lib")]
    [InlineData("user/.local/lib/python3.10/site-packages/nvidia/cublas/lib")]
    [InlineData("user/.venv/lib/python3.13/site-packages/nvidia/cu13/lib")]
    [InlineData("user/miniconda3/lib/python3.13/site-packages/nvidia/cu13/lib")]
    public void Toolkits_and_python_packages_are_found(string folder)
    {
        SkipOnWindows();
        string file = _root.File($"{folder}/libcublasLt.so.13");
        Assert.NotEqual(0, Search(File.Exists).Find(CudaLibraries.CublasLtLibrary(13)));
        Assert.Equal(file, _loads[^1]);
    }

    [Theory]
    [InlineData("env")]
    [InlineData("env/bin/python3")]
    [InlineData("env/lib/python3.12/site-packages/nvidia/cu13/lib")]
    public void A_python_can_be_named_by_its_prefix_its_interpreter_or_the_folder_itself(string named)
    {
        SkipOnWindows();
        _root.File("env/bin/python3");
        string file = _root.File("env/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
        Assert.NotEqual(0, Search(File.Exists, [_root.Combine(named)]).Find(CudaLibraries.CublasLtLibrary(13)));
        Assert.Equal([file], _loads);
    }

    [Fact]
    public void The_newest_version_that_the_driver_can_run_is_taken()
    {
        SkipOnWindows();
        _root.File("usr/local/cuda-12.8/lib64/libcublasLt.so.12");
        string newer = _root.File("usr/local/cuda-13.0/lib64/libcublasLt.so.13");
        Assert.NotEqual(0, Search(File.Exists).Find(CudaLibraries.CublasLtLibrary(13)));
        Assert.Equal(newer, _loads[^1]);

        _loads.Clear();
        Assert.NotEqual(0, Search(File.Exists).Find(CudaLibraries.CublasLtLibrary(12)));
        Assert.EndsWith("libcublasLt.so.12", _loads[^1]);
        Assert.DoesNotContain(_loads, path => path.EndsWith(".so.13", StringComparison.Ordinal));
    }

    [Fact]
    public void Toolkits_are_ordered_by_number_and_the_default_one_comes_first()
    {
        SkipOnWindows();
        foreach (string toolkit in new[] { "cuda-9.2", "cuda-13.0", "cuda-12.10", "cuda-12.9", "cuda" })
        {
            _root.File($"usr/local/{toolkit}/lib64/x");
        }

        var places = new LibraryPlaces(_root.Path, null, []);
        Assert.Equal(
            ["cuda", "cuda-13.0", "cuda-12.10", "cuda-12.9", "cuda-9.2"],
            places.ForToolkit().Where(Directory.Exists).Select(folder => Path.GetFileName(Path.GetDirectoryName(folder)!)));
    }

    [Fact]
    public void The_compilers_builtins_are_loaded_before_it()
    {
        SkipOnWindows();
        string builtins = _root.File("opt/cuda/lib64/libnvrtc-builtins.so.13.0");
        string compiler = _root.File("opt/cuda/lib64/libnvrtc.so.13");
        Assert.NotEqual(0, Search(File.Exists).Find(CudaLibraries.NvrtcLibrary(13)));
        Assert.Equal([builtins, compiler], _loads.Where(File.Exists));
    }

    [Fact]
    public void A_file_that_does_not_load_is_passed_over()
    {
        SkipOnWindows();
        string broken = _root.File("usr/local/cuda/lib64/libcublasLt.so.13");
        string good = _root.File("opt/cuda/lib64/libcublasLt.so.13");
        Assert.NotEqual(0, Search(path => path == good).Find(CudaLibraries.CublasLtLibrary(13)));
        Assert.Equal([broken, good], _loads.Where(File.Exists));
    }

    [Fact]
    public void A_missing_library_is_explained_with_the_places_and_the_way_out()
    {
        SkipOnWindows();
        LibrarySearch search = Search(_ => false, ["/somewhere/else"]);
        CudaLibrary library = CudaLibraries.NvrtcLibrary(13);
        Assert.Equal(0, search.Find(library));
        string text = search.Explain(library);
        Assert.Contains("libnvrtc.so.13, libnvrtc.so.12", text);
        Assert.Contains("/somewhere/else", text);
        Assert.Contains(_root.Combine("opt/cuda/lib64"), text);
        Assert.Contains("pip install nvidia-cuda-nvrtc", text);
        Assert.Contains(CudaProbe.LibraryFoldersKey, text);

        CudaLibrary driver = CudaLibraries.DriverLibrary();
        Assert.Equal(0, search.Find(driver));
        text = search.Explain(driver);
        Assert.Contains("libcuda.so.1", text);
        Assert.Contains(_root.Combine("usr/lib64"), text);
        Assert.DoesNotContain("/somewhere/else", text);
        Assert.Contains("--device cpu", text);
    }

    [Fact]
    public void Folders_are_separated_by_semicolons_and_colons()
    {
        SkipOnWindows();
        Assert.Equal(["/a", "/b", "/c"], CudaLibraries.SplitFolders("/a:/b; /c ;;"));
        Assert.Empty(CudaLibraries.SplitFolders(null));
    }

    public void Dispose() => _root.Dispose();

    private static void SkipOnWindows() => Assert.SkipWhen(OperatingSystem.IsWindows(), "the names and places of Linux");

    /// <param name="loads">Whether the loader takes a path or a bare name.</param>
    /// <param name="configured">Folders that the user named.</param>
    private LibrarySearch Search(Func<string, bool> loads, params string[] configured) =>
        new(new LibraryPlaces(_root.Path, _root.Combine("user"), configured), path =>
        {
            _loads.Add(path);
            return loads(path) ? 1 : 0;
        });
}
