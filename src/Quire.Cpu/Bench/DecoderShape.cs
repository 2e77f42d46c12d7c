namespace Quire.Cpu.Bench;

/// <summary>The sizes of a decoder whose operations are measured.</summary>
public sealed record DecoderShape(
    string Name, int Hidden, int Layers, int Heads, int KvHeads, int HeadDim, int Inner, int Vocabulary)
{
    /// <summary>A Llama of 1.1 billion parameters, as TinyLlama has it.</summary>
    public static DecoderShape Llama1B { get; } = new("llama-1.1b", 2048, 22, 32, 4, 64, 5632, 32000);

    /// <summary>The same with few layers and a small vocabulary, for a quick look; its weights exceed most caches too.</summary>
    public static DecoderShape Llama1BShort { get; } = Llama1B with { Name = "llama-1.1b, 3 layers", Layers = 3, Vocabulary = 4096 };
}
