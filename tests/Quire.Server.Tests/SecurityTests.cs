using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Routing;
using Quire.Engine;

namespace Quire.Server.Tests;

public class SecurityTests
{
    private static readonly string[] Open = ["/health", "/ping"];

    [Fact]
    public async Task T3_only_the_configured_socket_listens_and_it_is_loopback()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Single(server.App.Addresses);
        Assert.Equal("127.0.0.1", server.Address.Host);
        Assert.Equal("127.0.0.1", new ServerOptions().Host);
    }

    [Fact]
    public async Task T3_a_port_that_is_taken_is_an_error_with_a_code()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        QuireException error = await Assert.ThrowsAsync<QuireException>(
            () => ServerApp.StartAsync(new ServerOptions { Port = port }, new FakeEngine()));
        Assert.Equal((ErrorCodes.AddressUnavailable, ErrorKind.Usage), (error.Code, error.Kind));
        Assert.Contains($"{port}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task T17_every_endpoint_asks_for_a_key_but_health_and_ping()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { ApiKeys = ["first", "second"] });
        int guarded = 0;
        foreach (Route route in server.App.Routes)
        {
            string path = route.Pattern.Replace("{**id}", "quill", StringComparison.Ordinal);
            foreach (string method in route.Methods)
            {
                using HttpResponseMessage response = await server.Client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
                bool isOpen = Open.Contains(path);
                Assert.True(isOpen == (response.StatusCode != HttpStatusCode.Unauthorized), $"{method} {path}: {response.StatusCode}");
                if (!isOpen && method != "HEAD")
                {
                    guarded++;
                    Assert.Equal("""{"error":"Unauthorized"}""", await response.Content.ReadAsStringAsync());
                }
            }
        }

        Assert.True(guarded > 8);
    }

    [Fact]
    public async Task T17_what_is_mapped_is_what_the_list_of_routes_says()
    {
        await using TestServer server = await TestServer.StartAsync();
        IEnumerable<string?> mapped = server.App.Endpoints.OfType<RouteEndpoint>().Select(e => e.RoutePattern.RawText).Distinct().Order();
        Assert.Equal(server.App.Routes.Select(r => r.Pattern).Order(), mapped);
    }

    [Theory]
    [InlineData("Bearer first", true)]
    [InlineData("bearer second", true)]
    [InlineData("Bearer third", false)]
    [InlineData("Bearer firs", false)]
    [InlineData("Bearer ", false)]
    [InlineData("first", false)]
    [InlineData("Basic first", false)]
    public async Task T15_every_key_counts_and_nothing_else(string header, bool accepted)
    {
        Assert.Equal(accepted ? 200 : 401, await RawStatusAsync(new ServerOptions { ApiKeys = ["first", "second"] },
            $"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\nConnection: close\r\n\r\n"));
    }

    [Fact]
    public async Task T15_two_authorization_headers_are_refused()
    {
        Assert.Equal(401, await RawStatusAsync(new ServerOptions { ApiKeys = ["k"] },
            "GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer no\r\nAuthorization: Bearer k\r\nConnection: close\r\n\r\n"));
    }

    [Theory]
    [InlineData("GET //v1/models HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /v1/models HTTP/1.1\r\nHost: localhost/health")]
    [InlineData("GET /v1/models?/health HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /V1/Models HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /v1%2fmodels HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /v1/models/ HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /v1/models. HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /health/../v1/models HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /health%2f..%2fv1%2fmodels HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET http://localhost/v1/models HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Original-URL: /health\r\nX-Rewrite-URL: /health")]
    [InlineData("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: OPTIONS")]
    [InlineData("GET /health/x HTTP/1.1\r\nHost: localhost")]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: localhost")]
    public async Task T16_no_spelling_of_a_path_gets_around_the_key(string head)
    {
        int status = await RawStatusAsync(new ServerOptions { ApiKeys = ["k"] }, head + "\r\nConnection: close\r\n\r\n");
        Assert.Contains(status, (int[])[400, 401]);
        if (!head.Contains("localhost/", StringComparison.Ordinal))
        {
            Assert.Equal(401, status);
        }
    }

    [Fact]
    public async Task T14_headers_that_are_too_large_or_too_many_are_refused()
    {
        var options = new ServerOptions { Limits = new() { HeaderBytes = 8192, HeaderCount = 20 } };
        Assert.Equal(431, await RawStatusAsync(options, $"GET /health HTTP/1.1\r\nHost: x\r\nA: {new string('a', 9000)}\r\n\r\n"));
        string many = string.Concat(Enumerable.Range(0, 30).Select(i => $"A{i}: 1\r\n"));
        Assert.Equal(431, await RawStatusAsync(options, $"GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task T14_a_body_that_is_too_large_is_a_413_with_an_error_object(bool chunked)
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Limits = new() { RequestBodyBytes = 1000 } });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent($"{{\"prompt\":\"{new string('a', 2000)}\"}}", Encoding.UTF8, "application/json"),
        };
        request.Headers.TransferEncodingChunked = chunked;
        using HttpResponseMessage response = await server.Client.SendAsync(request);
        Assert.Equal(413, (int)response.StatusCode);
        Assert.Contains("larger than", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task T14_slow_headers_end_the_connection()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Limits = new() { HeadersTimeout = TimeSpan.FromMilliseconds(300) } });
        string answer = await RawAsync(server, "GET /health HTTP/1.1\r\nHost: x\r\nA: ");
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 408", StringComparison.Ordinal), answer);
    }

    [Fact]
    public async Task T14_a_slow_body_ends_the_request()
    {
        await using TestServer server = await TestServer.StartAsync(
            new ServerOptions { Limits = new() { MinimumBytesPerSecond = 1_000_000, SlowGracePeriod = TimeSpan.FromSeconds(1.1) } });
        string answer = await RawAsync(server,
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"prompt\":");
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 408", StringComparison.Ordinal), answer);
        Assert.Empty(server.Engine.Submitted);
    }

    [Fact]
    public async Task T14_connections_are_bounded()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { Limits = new() { Connections = 2 } });
        var clients = new List<TcpClient>();
        int closed = 0;
        for (int i = 0; i < 4; i++)
        {
            var client = new TcpClient();
            clients.Add(client);
            await client.ConnectAsync("127.0.0.1", server.Address.Port);
            await client.GetStream().WriteAsync("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
            byte[] buffer = new byte[1024];
            try
            {
                closed += await client.GetStream().ReadAsync(buffer) == 0 ? 1 : 0;
            }
            catch (IOException)
            {
                closed++;
            }
        }

        clients.ForEach(client => client.Dispose());
        Assert.Equal(2, closed);
    }

    [Fact]
    public async Task T22_without_configuration_no_answer_speaks_of_origins()
    {
        await using TestServer server = await TestServer.StartAsync();
        foreach (string method in new[] { "GET", "OPTIONS" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), "/v1/models");
            request.Headers.Add("Origin", "https://evil.example");
            request.Headers.Add("Access-Control-Request-Method", "GET");
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task T22_only_named_origins_are_answered()
    {
        await using TestServer server = await TestServer.StartAsync(new ServerOptions { AllowedOrigins = ["https://good.example"], AllowCredentials = true, ApiKeys = ["k"] });
        foreach ((string origin, bool allowed) in new[] { ("https://good.example", true), ("https://evil.example", false), ("null", false) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Options, "/v1/chat/completions");
            request.Headers.Add("Origin", origin);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            Assert.Equal(allowed, response.Headers.Contains("Access-Control-Allow-Origin"));
        }
    }

    [Theory]
    [InlineData("allow_credentials")]
    [InlineData("api_key")]
    [InlineData("ssl_keyfile")]
    [InlineData("ssl_certfile")]
    [InlineData("host")]
    [InlineData("enable_log_outputs")]
    [InlineData("root_path")]
    [InlineData("default_chat_template_kwargs")]
    public async Task Options_that_cannot_be_are_refused_by_name(string field)
    {
        ServerOptions options = field switch
        {
            "allow_credentials" => new() { AllowedOrigins = ["*"], AllowCredentials = true },
            "api_key" => new() { ApiKeys = [" "] },
            "ssl_keyfile" => new() { SslKeyFile = "key.pem" },
            "ssl_certfile" => new() { SslCertFile = "/does/not/exist.pem" },
            "host" => new() { Host = "no.such.host.invalid" },
            "enable_log_outputs" => new() { EnableLogOutputs = true },
            "root_path" => new() { RootPath = "x" },
            _ => new() { DefaultChatTemplateKwargs = "[1]" },
        };
        QuireException error = await Assert.ThrowsAsync<QuireException>(() => ServerApp.StartAsync(options with { Port = 0 }, new FakeEngine()));
        Assert.Equal(ErrorKind.Usage, error.Kind);
        Assert.Equal(field, error.Field);
    }

    private static async Task<int> RawStatusAsync(ServerOptions options, string request)
    {
        await using TestServer server = await TestServer.StartAsync(options);
        string answer = await RawAsync(server, request);
        return int.Parse(answer.AsSpan("HTTP/1.1 ".Length, 3), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Sends these bytes and reads until the server closes, or has sent a head.</summary>
    private static async Task<string> RawAsync(TestServer server, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", server.Address.Port);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        byte[] buffer = new byte[65536];
        int length = 0;
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer.AsMemory(length), limit.Token)) > 0)
            {
                length += read;
                if (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) >= 0)
                {
                    break;
                }
            }
        }
        catch (IOException)
        {
            // Reset by the server: what came before counts.
        }

        return Encoding.Latin1.GetString(buffer, 0, length);
    }
}
