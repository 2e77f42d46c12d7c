using System;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Quire.Cli.CommandLine;
using Quire.Cli.Planning;
using Quire.Cli.Text;
using Quire.Core.Memory;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Commands;

/// <summary><c>quire plan [MODEL]</c>: where the memory will go, before anything is loaded.</summary>
internal sealed class PlanCommand : CliCommand
{
    private readonly Argument<string?> _model = new("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = "Model folder or a config.json; the same as --model." };
    private readonly Option<string?> _gpu = new("--gpu") { Description = "Plan for this card instead of this machine: " + string.Join(", ", KnownDevices.Names) + ".", HelpName = "CARD" };
    private readonly Option<string> _use = new("--use") { DefaultValueFactory = _ => "serve", Description = "serve or generate: what the engine is for, which decides defaults.", HelpName = "USE" };

    public PlanCommand()
        : base("plan", "Print the memory plan of a model without loading it.")
    {
        Definition.Add(_model);
        Definition.Add(_gpu);
        Definition.Add(_use);
    }

    public override OptionTables Tables => OptionTables.Engine;

    public override bool OnlyCalculates => true;

    public override Task<int> RunAsync(CliCall call, CancellationToken cancellationToken)
    {
        if (call.Parsed.GetValue(_model) is { } model)
            call.Options.Put("model", model, OptionOrigin.CommandLine, "MODEL");
        UsageContext use = call.Parsed.GetValue(_use) switch
        {
            "serve" => UsageContext.ApiServer,
            "generate" => UsageContext.OfflineBatch,
            var other => throw Failures.Usage(ErrorCodes.InvalidOption, $"--use must be serve or generate, got {other}", "use"),
        };
        PaperPlan plan = PaperPlan.Make(call.Options, call.Parsed.GetValue(_gpu), use);
        if (call.Json)
            WriteJson(call, plan);
        else
            WriteTable(call, plan);
        return Task.FromResult(Failures.Done);
    }

    private static void WriteTable(CliCall call, PaperPlan paper)
    {
        MemoryPlan plan = paper.Plan;
        int groups = plan.Budget.Groups.Count;
        call.Host.Out.WriteLine(paper.Memory.Summary);
        call.Host.Out.WriteLine($"{paper.Device.Name}{(paper.Ranks > 1 ? $", each of {paper.Ranks}" : "")}: {paper.Note}");
        var table = new TextTable("memory", "GiB", "bytes");
        foreach ((string name, long bytes) in plan.Terms())
            table.Add(name, Gib(bytes), bytes.ToString(CultureInfo.InvariantCulture));
        table.Print(call.Host.Out, call.Host.OutIsTerminal);
        call.Host.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"KV cache: {plan.BlockCount} blocks of {plan.Budget.BlockSize} tokens, {plan.CacheTokens} tokens, {paper.KvBytesPerToken} bytes a token{(groups > 1 ? $" ({groups} groups of layers with a block each; windows give theirs back)" : "")}"));
        call.Host.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Maximum concurrency for {plan.Budget.MaxModelLen} tokens per request: {plan.MaxConcurrency:0.00}x"));
        call.Host.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"max_num_seqs {paper.Options.MaxNumSeqs}, max_num_batched_tokens {paper.Options.MaxNumBatchedTokens}"));
    }

    private static void WriteJson(CliCall call, PaperPlan paper)
    {
        MemoryPlan plan = paper.Plan;
        using var writer = new JsonRowWriter(call.Host.Out);
        Utf8JsonWriter json = writer.Json;
        json.WriteStartObject();
        json.WriteString("model", paper.ModelPath);
        json.WriteString("summary", paper.Memory.Summary);
        json.WriteString("device", paper.Device.Name);
        json.WriteNumber("ranks", paper.Ranks);
        json.WriteNumber("parameters", paper.Memory.ParameterCount);
        json.WriteString("dtype", paper.Options.DType);
        json.WriteNumber("total_bytes", plan.Budget.TotalBytes);
        json.WriteNumber("gpu_memory_utilization", plan.Budget.GpuMemoryUtilization);
        json.WriteNumber("requested_bytes", plan.RequestedBytes);
        json.WriteNumber("weight_bytes", plan.Budget.WeightBytes);
        json.WriteNumber("activation_bytes", plan.Budget.ActivationBytes);
        json.WriteNumber("other_bytes", plan.Budget.OtherBytes);
        json.WriteNumber("available_kv_cache_bytes", plan.AvailableCacheBytes);
        json.WriteNumber("kv_cache_bytes", plan.CacheBytes);
        json.WriteNumber("kv_bytes_per_token", paper.KvBytesPerToken);
        json.WriteNumber("block_size", plan.Budget.BlockSize);
        json.WriteNumber("block_bytes", plan.Budget.BlockBytes);
        json.WriteNumber("num_gpu_blocks", plan.BlockCount);
        json.WriteNumber("kv_cache_groups", plan.Budget.Groups.Count);
        json.WriteNumber("kv_cache_tokens", plan.CacheTokens);
        json.WriteNumber("max_model_len", plan.Budget.MaxModelLen);
        json.WriteNumber("max_num_seqs", paper.Options.MaxNumSeqs);
        json.WriteNumber("max_num_batched_tokens", paper.Options.MaxNumBatchedTokens);
        json.WriteNumber("max_concurrency", Math.Round(plan.MaxConcurrency, 4));
        json.WriteString("note", paper.Note);
        json.WriteEndObject();
        writer.EndRow();
    }

    private static string Gib(long bytes) => (bytes / (double)(1L << 30)).ToString("0.000", CultureInfo.InvariantCulture);
}
