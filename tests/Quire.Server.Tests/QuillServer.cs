using System.Threading.Tasks;
using Quire.Cpu;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Server.Tests;

/// <summary>The default model on the processor, behind a server that the tests of a class share.</summary>
public sealed class QuillServer : IAsyncLifetime
{
    private InferenceEngine? _engine;

    internal TestServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var options = new EngineOptions { MaxModelLen = 1024 };
        _engine = await InferenceEngine.StartAsync(options, new CpuBackend(), UsageContext.ApiServer);
        Server = await TestServer.StartAsync(new ServerOptions(), _engine);
    }

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }
    }
}
