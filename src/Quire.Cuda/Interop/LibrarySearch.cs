using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Quire.Cuda.Device;

namespace Quire.Cuda.Interop;

/// <summary>One of the libraries that the backend calls.</summary>
/// <param name="Name">The name that the interop declarations use.</param>
/// <param name="Title">What people call it.</param>
/// <param name="FileNames">Names by which loader and folders know it, the preferred one first.</param>
/// <param name="IsDriver">True for the driver, which comes with the system and never from a folder of the user's.</param>
/// <param name="Companions">Pattern of files in the same folder that have to be loaded before it, or null.</param>
internal sealed record CudaLibrary(string Name, string Title, IReadOnlyList<string> FileNames, bool IsDriver, string? Companions = null);

/// <summary>Tries the names of a library in the places where it may lie, and keeps account of them for the message when there is none.</summary>
/// <param name="places">Where to look.</param>
/// <param name="load">Loads a file, or a bare name through the system's loader; 0 when that fails.</param>
internal sealed class LibrarySearch(LibraryPlaces places, Func<string, nint> load)
{
    private readonly List<string> _tried = [];

    /// <summary>Address that the loader gave the library, or 0.</summary>
    public nint Find(CudaLibrary library)
    {
        _tried.Clear();
        foreach (string fileName in library.FileNames)
        {
            // What the user named comes first; a driver belongs to the system and is never taken from there.
            nint handle = library.IsDriver ? 0 : FromFolders(places.Configured(), fileName, library);
            if (handle == 0)
            {
                handle = load(fileName);
            }

            if (handle == 0)
            {
                handle = FromFolders(library.IsDriver ? places.ForDriver() : places.ForToolkit(), fileName, library);
            }

            if (handle != 0)
            {
                return handle;
            }
        }

        return 0;
    }

    /// <summary>What to tell somebody whose machine lacks the library that <see cref="Find"/> just looked for.</summary>
    public string Explain(CudaLibrary library)
    {
        var text = new StringBuilder();
        text.Append(library.Title).Append(" was not found (").AppendJoin(", ", library.FileNames).Append("). Looked in: the system's loader");
        foreach (string folder in _tried.Distinct(StringComparer.Ordinal))
        {
            text.Append(", ").Append(folder);
        }

        text.Append(library.IsDriver
            ? ". It comes with NVIDIA's driver; in a container, the container needs access to the card (--gpus all). Without a card, use the CPU backend (--device cpu)."
            : $". It comes with the CUDA toolkit or with Python's nvidia packages (pip install {PackageOf(library)}); name its folder, or the Python that has it, in the library folders of the CUDA backend ({CudaProbe.LibraryFoldersKey}).");
        return text.ToString();
    }

    private static string PackageOf(CudaLibrary library) => library.Name == Nvrtc.Library ? "nvidia-cuda-nvrtc" : "nvidia-cublas";

    private nint FromFolders(IEnumerable<string> folders, string fileName, CudaLibrary library)
    {
        foreach (string folder in folders)
        {
            _tried.Add(folder);
            string path = Path.Combine(folder, fileName);
            if (!File.Exists(path) || LeadsElsewhere(path))
            {
                continue;
            }

            if (library.Companions is { } pattern)
            {
                // The library asks the loader for these by name, which finds them only where they are loaded already.
                foreach (string companion in Directory.GetFiles(folder, pattern).Order(StringComparer.Ordinal))
                {
                    load(companion);
                }
            }

            if (load(path) is var handle && handle != 0)
            {
                return handle;
            }
        }

        return 0;
    }

    /// <summary>A link in a good folder may still lead into a bad one.</summary>
    private static bool LeadsElsewhere(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true) is { } target && !LibraryPlaces.IsTrustworthy(target.FullName);
        }
        catch (IOException)
        {
            return true;
        }
    }
}
