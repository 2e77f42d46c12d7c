using System;

namespace Quire.Cuda.Device;

/// <summary>A function of the CUDA driver, NVRTC or cuBLASLt failed.</summary>
public sealed class CudaException : Exception
{
    public CudaException(string call, int code, string errorName, string text, string advice = "")
        : base($"{call} failed: {errorName} ({code}): {text}{(text.EndsWith('.') ? "" : ".")}{(advice.Length == 0 ? "" : " " + advice)}")
    {
        Call = call;
        Code = code;
        ErrorName = errorName;
    }

    /// <summary>The function that failed, such as "cuMemAlloc".</summary>
    public string Call { get; }

    /// <summary>The library's own result code.</summary>
    public int Code { get; }

    /// <summary>The library's own name of the code, such as "CUDA_ERROR_ILLEGAL_ADDRESS".</summary>
    public string ErrorName { get; }
}

/// <summary>This machine has no usable driver, card or CUDA library; the message says what is missing, where it was looked for and how to configure it.</summary>
public sealed class CudaUnavailableException : Exception
{
    public CudaUnavailableException(string message)
        : base(message)
    {
    }

    public CudaUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
