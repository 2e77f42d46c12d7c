using System.Text.Encodings.Web;
using System.Text.Json;

namespace Quire.Server.Http;

/// <summary>How the server writes JSON: compact, with text outside ASCII as it is.</summary>
internal static class JsonText
{
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = false,
        SkipValidation = true,
    };

    /// <summary>A text that stands in many chunks, encoded once.</summary>
    public static JsonEncodedText Encode(string text) => JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
}
