using System;
using System.Net.Http;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace Quire.Server.Tests;

public class ShutdownTests
{
    [Fact]
    public async Task What_runs_is_finished_and_what_is_new_is_refused()
    {
        var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
        await using TestServer server = await TestServer.StartAsync(engine: engine);
        Task<(int Status, JsonElement Body)> running = server.ChatAsync();
        await engine.FirstSubmit.Task;
        Task stopping = server.App.StopAsync();
        await engine.Draining.Task;

        using HttpResponseMessage refused = await server.PostAsync("/v1/completions", """{"prompt":"a"}""");
        Assert.Equal(503, (int)refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Contains("shutting down", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(503, (int)(await server.Client.GetAsync("/health")).StatusCode);

        engine.Gate.Release(1000);
        Assert.Equal(200, (await running).Status);
        engine.Idle.SetResult();
        await stopping;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetAsync("/health"));
    }

    [Fact]
    public async Task After_the_timeout_what_still_runs_is_aborted()
    {
        var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(50) }, engine);
        Task<(int Status, JsonElement Body)> running = server.ChatAsync();
        await engine.FirstSubmit.Task;
        await server.App.StopAsync();
        await engine.FirstAbort.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => running);
    }

    [Fact]
    public async Task Being_told_twice_ends_it_at_once()
    {
        var engine = new FakeEngine { Gate = new SemaphoreSlim(0) };
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ShutdownTimeout = TimeSpan.FromHours(1) }, engine);
        Task<(int Status, JsonElement Body)> running = server.ChatAsync();
        await engine.FirstSubmit.Task;
        using var hurry = new CancellationTokenSource();
        Task stopping = server.App.StopAsync(hurry.Token);
        await engine.Draining.Task;
        await hurry.CancelAsync();
        await stopping;
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => running);
    }
}
