using System;
using System.Globalization;
using System.Linq;
using Quire.Cuda;
using Quire.Cuda.Device;

namespace Quire.GpuBench;

/// <summary>Checks and timings of the CUDA backend on the machine where it runs.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string command = arguments.FirstOrDefault() ?? "";
        string[] rest = arguments.Skip(1).ToArray();
        string? libraries = Environment.GetEnvironmentVariable("QUIRE_CUDA_LIBRARIES");
        if (libraries is not null)
        {
            AppContext.SetData("Quire.Cuda.LibraryFolders", libraries);
        }

        if (command == "config")
        {
            Console.WriteLine(ModelShape.Find(rest[0]).Config);
            return 0;
        }

        if (command == "compare")
        {
            return Comparison.Run(rest);
        }

        if (!CudaProbe.TryFind(out string reason))
        {
            Console.Error.WriteLine($"no GPU: {reason}");
            return 3;
        }

        switch (command)
        {
            case "check":
                return OperationChecks.Run(rest);
            case "model":
                return ModelCheck.Run(rest);
            case "golden":
                return GoldenCheck.Run(rest);
            case "requests":
                return RequestCheck.Run(rest);
            case "step":
                return StepTimings.Run(rest);
            case "layer":
                return LayerTimings.Run(rest);
            default:
                Console.Error.WriteLine("usage: quire-gpu-bench check [SEED [PART OF A NAME]] | model FOLDER | golden FOLDER ... | requests FOLDER [COUNT [SEED [KV CACHE TYPE]]] | step MODEL [BATCHxCONTEXT ...] | compare FILE ... | layer MODEL [kv=TYPE] [BATCHxCONTEXT ...]");
                return 2;
        }
    }

    public static CudaBackend Open(bool fuse = true, bool overlap = true) => new(new CudaOptions
    {
        CacheFolder = Environment.GetEnvironmentVariable("BENCH_CACHE"),
        FuseOperations = fuse,
        OverlapKernels = overlap,
        FewRows = int.Parse(Environment.GetEnvironmentVariable("QUIRE_FEW_ROWS") ?? "16", CultureInfo.InvariantCulture),
    });
}
