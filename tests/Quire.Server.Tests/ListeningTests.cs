using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Tasks;
using Quire.Engine;

namespace Quire.Server.Tests;

/// <summary>The ways to listen other than plain TCP.</summary>
public sealed class ListeningTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("quire-listen-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_unix_socket_answers_and_is_not_shared()
    {
        // Socket paths are short, so the name is.
        var options = new ServerOptions { Uds = Path.Combine(_folder.FullName, "q") };
        await using ServerApp app = await ServerApp.StartAsync(options, new FakeEngine());
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(options.Uds), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(handler);
        Assert.Contains("\"quill\"", await client.GetStringAsync(new Uri("http://server/v1/models")), StringComparison.Ordinal);

        QuireException taken = await Assert.ThrowsAsync<QuireException>(() => ServerApp.StartAsync(options, new FakeEngine()));
        Assert.Equal(ErrorCodes.AddressUnavailable, taken.Code);
        Assert.Contains("--uds", taken.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tls_sends_the_chain_and_takes_the_key_from_either_file(bool keyInCertificateFile)
    {
        (string certificates, string key) = MakeChain();
        string certFile = Path.Combine(_folder.FullName, "cert.pem");
        string keyFile = Path.Combine(_folder.FullName, "key.pem");
        await File.WriteAllTextAsync(certFile, keyInCertificateFile ? certificates + key : certificates);
        await File.WriteAllTextAsync(keyFile, key);
        var options = new ServerOptions { Port = 0, SslCertFile = certFile, SslKeyFile = keyInCertificateFile ? null : keyFile };
        await using ServerApp app = await ServerApp.StartAsync(options, new FakeEngine());
        string[] sent = [];
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, _, chain, _) =>
                {
                    sent = [.. chain!.ChainPolicy.ExtraStore.Select(certificate => certificate.Subject)];
                    return true;
                },
            },
        };
        using var client = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, app.Addresses[0] + "/v1/models") { Version = HttpVersion.Version20 };
        using HttpResponseMessage answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(HttpVersion.Version20, answer.Version);
        Assert.Contains("CN=between", sent);
    }

    /// <summary>A certificate with the one that signed it behind it, both signed up to a root that is not sent; and the key.</summary>
    private static (string Certificates, string Key) MakeChain()
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1);
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var betweenKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest rootRequest = Request("CN=root", rootKey, isAuthority: true);
        using X509Certificate2 root = rootRequest.CreateSelfSigned(from, from.AddDays(9));
        using X509Certificate2 between = Request("CN=between", betweenKey, isAuthority: true).Create(root, from, from.AddDays(8), [1, 2]);
        using X509Certificate2 signer = between.CopyWithPrivateKey(betweenKey);
        using X509Certificate2 leaf = Request("CN=localhost", key, isAuthority: false).Create(signer, from, from.AddDays(7), [1, 3]);
        return ($"{leaf.ExportCertificatePem()}\n{between.ExportCertificatePem()}\n", key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    private static CertificateRequest Request(string name, ECDsa key, bool isAuthority)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        return request;
    }
}
