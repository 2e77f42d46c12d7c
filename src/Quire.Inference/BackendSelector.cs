using System;
using Quire.Cpu;
using Quire.Engine;
using Quire.Engine.Options;
using Quire.Tensors;

namespace Quire.Inference;

/// <summary>Chooses what to compute on.</summary>
public static class BackendSelector
{
    /// <summary>
    /// The backend that <see cref="EngineOptions.Device"/> names: <c>cpu</c>, or <c>auto</c> (and null) for the best that the machine has.
    /// </summary>
    /// <exception cref="QuireException">An unknown device, or a number of threads that cannot be.</exception>
    public static IBackend Create(EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (OptionChecks.FirstMistake(options.Settings) is { } problem)
            throw new QuireException(problem.Code, ErrorKind.Usage, problem.Message, problem.Option);
        return (options.Device ?? "auto").ToLowerInvariant() switch
        {
            "auto" or "cpu" => new CpuBackend(new CpuOptions { Threads = options.Threads ?? 0 }),
            { } other => throw new QuireException(ErrorCodes.InvalidOption, ErrorKind.Usage, $"device must be auto or cpu, got {other}", "device"),
        };
    }
}
