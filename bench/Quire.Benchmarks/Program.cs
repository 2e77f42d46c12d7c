using System;
using System.Globalization;
using Quire.Benchmarks;
using Quire.Benchmarks.Peers;

return args switch
{
    ["kernels", .. string[] rest] => KernelsCommand.Run(rest),
    ["panels", .. string[] rest] => PanelsCommand.Run(rest),
    ["tiles"] => TilesCommand.Run(),
    ["tokenizers", .. string[] rest] => TokenizersCommand.Run(rest),
    ["peers", .. string[] rest] => PeersCommand.Run(rest),
    ["peer-worker", string model, string threads, string prefixCaching] =>
        await EngineWorker.RunAsync(model, int.Parse(threads, CultureInfo.InvariantCulture), prefixCaching == "on").ConfigureAwait(false),
    ["scheduler"] => SchedulerCommand.Run(),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("usage: Quire.Benchmarks kernels [--short] [--threads N] [--tier x86-64-v2|x86-64-v3|x86-64-v4] [--type bf16|f16|f32] [--packed 4|8] [--blocks Q8_0|Q4_0|...] [--seconds S] [--steps] [--cpu-time]\n       Quire.Benchmarks panels [--time] [--no-assembly] [--bf16-inputs] [--tier T] [--threads N]\n       Quire.Benchmarks tiles | scheduler | peers\n       Quire.Benchmarks tokenizers [--text FILE] [--seconds S] [FOLDER ...]");
    return 2;
}
