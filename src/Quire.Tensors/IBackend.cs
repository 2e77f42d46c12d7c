using System;
using System.Collections.Generic;

namespace Quire.Tensors;

/// <summary>What a backend computes on: for logs, plans and benchmark headers.</summary>
/// <param name="Name">Such as "cpu" or "cuda:0".</param>
/// <param name="Description">The processor's or card's own name and what of it is used, such as "AMD EPYC, AVX2, 2 threads".</param>
/// <param name="TotalMemoryBytes">Memory of the device; on the CPU, of the machine or its container limit.</param>
/// <param name="AvailableMemoryBytes">Memory that is free now.</param>
public sealed record DeviceInfo(string Name, string Description, long TotalMemoryBytes, long AvailableMemoryBytes);

/// <summary>
/// A device and its kernels. One instance is used by one thread at a time. Everything that it hands out stays valid until it is
/// disposed.
/// </summary>
public interface IBackend : IDisposable
{
    DeviceInfo Device { get; }

    /// <summary>Element type of activations: F32 on the CPU.</summary>
    DType ActivationType { get; }

    /// <summary>Whether quantised weights stay packed on the device; where not, they take the room of the model's type.</summary>
    bool KeepsPackedWeights => true;

    /// <summary>
    /// Whether linear layers and embeddings can be made of <see cref="Quantization.BlockPart"/>; where not, such weights are expanded to the
    /// model's type while loading.
    /// </summary>
    bool KeepsBlocks => false;

    ITensorOps Ops { get; }

    /// <summary>Null when remembering operations would gain nothing: where a call costs next to nothing.</summary>
    IStepGraphs? Graphs => null;

    /// <summary>Null where tokens are chosen on the host.</summary>
    IDeviceSampler? Sampler => null;

    /// <summary>Null where operations run while they are called, so that there is nothing between steps.</summary>
    IStepClock? Clock => null;

    /// <summary>Zeroed memory of the device for rows · columns elements, aligned to 64 bytes.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough left.</exception>
    Tensor Allocate(DType type, int rows, int columns);

    /// <summary>A buffer that the host fills and the device reads: the integer inputs of a step.</summary>
    StagingBuffer AllocateStaging(int bytes);

    /// <summary>Brings a matrix to the device as it is. A host backend may use the memory in place.</summary>
    Tensor Upload(HostMatrix matrix);

    /// <summary>Brings a matrix to the device, converted to <paramref name="type"/>.</summary>
    Tensor Upload(HostMatrix matrix, DType type);

    /// <summary>
    /// Overwrites <paramref name="target"/>, a tensor of <see cref="Allocate"/> or a range of one, with a matrix of the same shape and type,
    /// ordered between the operations called before and after. The memory of the matrix may be freed afterwards.
    /// </summary>
    /// <exception cref="NotSupportedException">The backend cannot change what is on the device.</exception>
    void Write(HostMatrix matrix, Tensor target) => throw new NotSupportedException($"{Device.Name} cannot exchange weights while it runs");

    /// <summary>Takes over the weight of a linear layer and lays it out for this backend's kernels.</summary>
    /// <exception cref="NotSupportedException">A part has a format that this backend cannot multiply from; the message names it.</exception>
    LinearWeight CreateLinear(LinearSource source);

    /// <summary>A linear layer over a matrix that is already on the device: an output head tied to the embedding.</summary>
    LinearWeight CreateLinear(Tensor weight);

    /// <summary>Takes the same layer of all experts of a mixture, so that its operations can pick among them on the device.</summary>
    /// <exception cref="NotSupportedException">The backend has no kernels for mixtures of experts.</exception>
    ExpertWeights CreateExperts(IReadOnlyList<LinearWeight> experts) => throw ExpertWeights.Unsupported();

    /// <summary>Allocates the paged KV cache.</summary>
    KvCache CreateKvCache(KvCacheShape shape);

    /// <summary>
    /// While true, the backend may try several ways for each shape that it meets, and remember the fastest: before requests come. Results
    /// of operations mean nothing then.
    /// </summary>
    bool IsTuning
    {
        get => false;
        set => _ = value;
    }

    /// <summary>Waits until everything called so far has finished.</summary>
    void Synchronize();

    /// <summary>
    /// Makes rows of F32 logits readable and writable by the host, after waiting for them. The span is valid until the next operation.
    /// </summary>
    Span<float> MapLogits(Tensor logits, int row);
}

/// <summary>Pinned host memory and where the device sees it.</summary>
public abstract class StagingBuffer
{
    /// <summary>The host's side. Written before <see cref="Flush"/>.</summary>
    public abstract Span<byte> Host { get; }

    /// <summary>Address of the device's side, fixed for the lifetime of the buffer.</summary>
    public abstract nint DeviceAddress { get; }

    /// <summary>Starts the transfer of the first <paramref name="bytes"/> bytes, ordered before the operations called next.</summary>
    public abstract void Flush(int bytes);
}
