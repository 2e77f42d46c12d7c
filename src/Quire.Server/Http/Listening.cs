using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Quire.Engine;

namespace Quire.Server.Http;

/// <summary>Where Kestrel listens, and the limits that it holds clients to.</summary>
internal static class Listening
{
    public static string Describe(ServerOptions options) => options.Uds is { } path
        ? $"the socket {path}"
        : $"{options.Host}:{options.Port.ToString(CultureInfo.InvariantCulture)}";

    public static void Configure(WebApplicationBuilder builder, ServerOptions options)
    {
        X509Certificate2? certificate = LoadCertificate(options, out X509Certificate2Collection chain);
        builder.WebHost.UseKestrelCore();
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            SetLimits(kestrel.Limits, options.Limits);
            void Setup(ListenOptions listen)
            {
                listen.Protocols = certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
                if (certificate is not null)
                {
                    listen.UseHttps(https =>
                    {
                        https.ServerCertificate = certificate;
                        https.ServerCertificateChain = chain;
                    });
                }
            }

            if (options.Uds is { } path)
            {
                kestrel.ListenUnixSocket(path, Setup);
            }
            else
            {
                kestrel.Listen(Resolve(options.Host), options.Port, Setup);
            }
        });
    }

    private static void SetLimits(KestrelServerLimits kestrel, ServerLimits limits)
    {
        kestrel.MaxRequestBodySize = limits.RequestBodyBytes;
        kestrel.MaxRequestHeadersTotalSize = limits.HeaderBytes;
        kestrel.MaxRequestHeaderCount = limits.HeaderCount;
        kestrel.MaxRequestLineSize = Math.Min(8192, limits.HeaderBytes);
        kestrel.MaxConcurrentConnections = limits.Connections;
        kestrel.MaxConcurrentUpgradedConnections = 0;
        kestrel.RequestHeadersTimeout = limits.HeadersTimeout;
        kestrel.KeepAliveTimeout = limits.KeepAliveTimeout;
        kestrel.MinRequestBodyDataRate = new MinDataRate(limits.MinimumBytesPerSecond, limits.SlowGracePeriod);
        kestrel.MinResponseDataRate = new MinDataRate(limits.MinimumBytesPerSecond, limits.SlowGracePeriod);
        kestrel.Http2.MaxStreamsPerConnection = limits.Http2StreamsPerConnection;
    }

    private static IPAddress Resolve(string host)
    {
        if (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address))
        {
            return address;
        }

        if (string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return IPAddress.Loopback;
        }

        try
        {
            IPAddress[] found = Dns.GetHostAddresses(host);
            if (found.Length > 0)
            {
                return found[0];
            }
        }
        catch (SocketException)
        {
            // Said below.
        }

        throw new QuireException(ErrorCodes.AddressUnavailable, ErrorKind.Usage,
            $"host '{host}' is not an address and no address of that name is known; give an IP address, 127.0.0.1 for this machine only", "host");
    }

    /// <summary>The first certificate of the file with its key; the others are sent along, so that clients need to know the root only.</summary>
    private static X509Certificate2? LoadCertificate(ServerOptions options, out X509Certificate2Collection chain)
    {
        chain = [];
        if (options.SslCertFile is not { } file)
        {
            return null;
        }

        try
        {
            chain.ImportFromPemFile(file);
            return X509Certificate2.CreateFromPemFile(file, options.SslKeyFile);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new QuireException(ErrorCodes.UnreadableFile, ErrorKind.Usage,
                $"ssl_certfile '{file}' (with ssl_keyfile '{options.SslKeyFile ?? file}') is not a readable PEM certificate with its key", "ssl_certfile", exception);
        }
    }
}
