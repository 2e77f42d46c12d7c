using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Quire.Engine;
using Quire.Server.Http;
using Quire.Server.Serving;

namespace Quire.Server;

/// <summary>The HTTP server: an engine behind OpenAI's API.</summary>
public sealed class ServerApp : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ServerContext _server;

    private ServerApp(WebApplication app, ServerContext server, IReadOnlyList<Route> routes)
    {
        _app = app;
        _server = server;
        Routes = routes;
    }

    /// <summary>Where the server listens, such as <c>http://127.0.0.1:8000</c>.</summary>
    public IReadOnlyList<string> Addresses { get; private set; } = [];

    /// <summary>Every path that is mapped.</summary>
    internal IReadOnlyList<Route> Routes { get; }

    /// <summary>What routing can match.</summary>
    internal IReadOnlyList<Endpoint> Endpoints => _app.Services.GetRequiredService<EndpointDataSource>().Endpoints;

    /// <summary>
    /// Serves until SIGTERM or SIGINT, or until <paramref name="cancellationToken"/> is cancelled: then no request is admitted any more, those that run
    /// get <see cref="ServerOptions.ShutdownTimeout"/>, and the call returns. A second signal ends them at once. The engine stays the caller's.
    /// </summary>
    /// <param name="options">How to listen and answer.</param>
    /// <param name="engine">A started engine.</param>
    /// <param name="output">Gets the line that says where the server is ready.</param>
    /// <param name="logs">Where to log; null logs nothing.</param>
    /// <param name="cancellationToken">Stops the server like SIGTERM.</param>
    /// <returns>The exit status: 0.</returns>
    /// <exception cref="QuireException">An option is wrong, or the address is taken.</exception>
    public static async Task<int> RunAsync(
        ServerOptions options, InferenceEngine engine, TextWriter output, ILoggerFactory? logs = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        await using ServerApp app = await StartAsync(options, engine, logs, cancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var hurry = new CancellationTokenSource();
        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (stop.IsCancellationRequested)
            {
                hurry.Cancel();
            }

            stop.Cancel();
        }

        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        await output.WriteLineAsync($"Quire ready on {app.Addresses[0]}");
        await output.FlushAsync(cancellationToken);
        await WaitAsync(stop.Token);
        await app.StopAsync(hurry.Token);
        return 0;
    }

    /// <summary>Starts the server and returns when it takes requests.</summary>
    /// <exception cref="QuireException">An option is wrong, or the address is taken.</exception>
    public static Task<ServerApp> StartAsync(
        ServerOptions options, InferenceEngine engine, ILoggerFactory? logs = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(engine);
        return StartAsync(options, new EngineAdapter(engine, ChatRenderer.Create(engine, options)), logs, cancellationToken);
    }

    internal static async Task<ServerApp> StartAsync(
        ServerOptions options, IServedEngine engine, ILoggerFactory? logs = null, CancellationToken cancellationToken = default)
    {
        ServerChecks.Check(options);
        logs ??= NullLoggerFactory.Instance;
        var server = new ServerContext(engine, options, logs.CreateLogger("Quire.Server"));
        IReadOnlyList<Route> routes = Quire.Server.Routes.Create(server);
        WebApplication app = Build(options, server, routes);
        var started = new ServerApp(app, server, routes);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            await app.DisposeAsync();
            string wayOut = options.Uds is null
                ? "the address is taken or does not exist; choose another --port or --host"
                : "another server listens there, one that was killed left it behind, or its folder does not exist; remove it or choose another --uds";
            throw new QuireException(ErrorCodes.AddressUnavailable, ErrorKind.Usage,
                $"cannot listen on {Listening.Describe(options)}: {wayOut}", options.Uds is null ? "port" : "uds", exception);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }

        started.Addresses = [.. app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses];
        return started;
    }

    /// <summary>
    /// Stops: refuses new work with 503, lets running requests end within <see cref="ServerOptions.ShutdownTimeout"/>, then closes.
    /// </summary>
    /// <param name="hurry">Cancelling it closes at once.</param>
    public async Task StopAsync(CancellationToken hurry = default)
    {
        TimeSpan timeout = _server.Options.ShutdownTimeout;
        _server.IsDraining = true;
        Log.Stopping(_server.Logger, timeout.TotalSeconds);
        long deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        try
        {
            await _server.Engine.DrainAsync(timeout).WaitAsync(hurry);

            // The engine is done before the last bytes are on their way.
            while (_server.InWork > 0 && Environment.TickCount64 < deadline)
            {
                await Task.Delay(10, hurry);
            }
        }
        catch (OperationCanceledException)
        {
            // Told twice: close now.
        }

        using var close = new CancellationTokenSource(_server.InWork > 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(2));
        try
        {
            await _app.StopAsync(close.Token);
        }
        catch (OperationCanceledException)
        {
            // Connections that did not close in time were cut, which is all that is wanted.
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static WebApplication Build(ServerOptions options, ServerContext server, IReadOnlyList<Route> routes)
    {
        // The empty builder reads no environment variables and no files: the sockets are those of the options and no others.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Quire" });
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, QuietLifetime>();
        builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = TimeSpan.FromSeconds(5));
        Listening.Configure(builder, options);
        bool hasCors = options.AllowedOrigins.Count > 0;
        if (hasCors)
        {
            builder.Services.AddCors();
        }

        WebApplication app = builder.Build();
        app.Use(new ErrorBoundary(server).InvokeAsync);
        if (!string.IsNullOrEmpty(options.RootPath))
        {
            app.UsePathBase(options.RootPath.TrimEnd('/'));
        }

        app.UseRouting();
        if (hasCors)
        {
            app.UseCors(policy => Cors.Configure(policy, options));
        }

        app.Use(new ApiKeyGuard(options.ApiKeys).InvokeAsync);
        Quire.Server.Routes.Map(app, routes);
        return app;
    }

    private static async Task WaitAsync(CancellationToken stop)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = stop.Register(() => ended.TrySetResult());
        await ended.Task;
    }

    /// <summary>The server listens to signals itself.</summary>
    private sealed class QuietLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
