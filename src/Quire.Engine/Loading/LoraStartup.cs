using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;
using Quire.Engine.Lora;
using Quire.Engine.Options;
using Quire.Models;
using Quire.Models.Lora;
using Quire.Tensors;

namespace Quire.Engine.Loading;

/// <summary>What enable_lora adds to a loaded model.</summary>
/// <param name="Registry">The adapters by name.</param>
/// <param name="Slots">Their slots on the device.</param>
internal sealed record LoraStartup(LoraRegistry Registry, LoraSlots Slots)
{
    /// <summary>The adapters that lora_modules names.</summary>
    /// <exception cref="QuireException">An entry cannot be read.</exception>
    public static IReadOnlyList<LoraRequest> Modules(ResolvedOptions options)
    {
        var modules = new List<LoraRequest>();
        foreach (string entry in options.Asked.LoraModules ?? [])
        {
            modules.Add(LoraRequest.Parse(entry));
        }

        return modules;
    }

    /// <summary>Loads the adapters of lora_modules; null without enable_lora.</summary>
    /// <exception cref="QuireException">The backend computes no adapters, or one of them cannot be loaded.</exception>
    public static LoraStartup? Create(
        DecoderModel model, ResolvedOptions options, IReadOnlyList<LoraRequest> modules, IReadOnlyList<string> modelNames, IBackend backend, ILogger logger)
    {
        if (options.Lora is not { } settings || model.Lora is not { } bank)
        {
            return null;
        }

        CheckBackend(bank, backend);
        var registry = new LoraRegistry(bank, settings.MaxCpuLoras, modelNames);
        foreach (LoraRequest module in modules)
        {
            try
            {
                registry.Load(module);
            }
            catch (QuireException failure)
            {
                throw new QuireException(failure.Code == ErrorCodes.BadRequest ? ErrorCodes.InvalidOption : failure.Code, ErrorKind.Usage, failure.Message, "lora_modules", failure);
            }

            logger.LogInformation("LoRA adapter {Name}: {Path}", module.Name, module.Path);
        }

        return new LoraStartup(registry, new LoraSlots(registry, bank, backend, options.MaxNumBatchedTokens, logger));
    }

    /// <summary>A backend that cannot do it says so at the first call; better now than in the first request.</summary>
    private static unsafe void CheckBackend(LoraBank bank, IBackend backend)
    {
        if (bank.Targets.Layers.Count == 0)
        {
            throw new QuireException(ErrorCodes.InvalidOption, ErrorKind.Usage,
                "lora_target_modules names no linear layer of this model", "lora_target_modules");
        }

        try
        {
            LoraWeight weight = bank.Weight(0);
            var zeros = new byte[weight.InFeatures * bank.Type.SizeInBytes()];
            fixed (byte* start = zeros)
            {
                backend.Write(new HostMatrix((nint)start, bank.Type, 1, weight.InFeatures), weight.A.RowRange(0, 1));
            }

            backend.Ops.AddLora(
                new Tensor(weight.A.Data, backend.ActivationType, 0, weight.InFeatures), weight, default, new Tensor(weight.B.Data, backend.ActivationType, 0, weight.OutFeatures));
        }
        catch (NotSupportedException exception)
        {
            throw new QuireException(ErrorCodes.NotAvailable, ErrorKind.Usage, $"enable_lora is not available on {backend.Device.Name}: {exception.Message}", "enable_lora", exception);
        }
    }
}
