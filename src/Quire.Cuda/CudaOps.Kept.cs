using Quire.Tensors;

namespace Quire.Cuda;

/// <content>What operations read and write, so that a product, norm or gate that was called and kept is launched before anybody misses it.</content>
internal sealed partial class CudaOps
{
    /// <summary>Launches what was kept and writes to this tensor's memory.</summary>
    private void Reads(Tensor tensor)
    {
        LaunchProduct();
        ReadsKept(tensor);
    }

    /// <summary>Launches what was kept and still needs this tensor's memory as it is, and drops what nobody can read any more.</summary>
    private void Writes(Tensor tensor)
    {
        LaunchProduct();
        WritesKept(tensor);
    }

    private void ReadsKept(Tensor tensor)
    {
        if (_hasNorm && Overlap(tensor, _normY))
        {
            WriteNorm();
        }

        if (_hasGate && Overlap(tensor, _gateY))
        {
            WriteGate();
        }
    }

    private void WritesKept(Tensor tensor)
    {
        if (_hasNorm)
        {
            if (IsNeeded(tensor, _normX, _normY))
            {
                WriteNorm();
            }
            else if (Covers(tensor, _normY))
            {
                _hasNorm = false;
            }
        }

        if (_hasGate)
        {
            if (IsNeeded(tensor, _gateX, _gateY))
            {
                WriteGate();
            }
            else if (Covers(tensor, _gateY))
            {
                _hasGate = false;
            }
        }
    }

    /// <summary>Whether y = f(x) has to be written before this tensor is.</summary>
    private static bool IsNeeded(Tensor written, Tensor x, Tensor y) => Overlap(written, x) || (Overlap(written, y) && !Covers(written, y));

    /// <summary>The power of two, up to 16, that all rows of a tensor start at a multiple of.</summary>
    private static int Alignment(Tensor tensor)
    {
        nint bits = tensor.Data | (tensor.Stride * tensor.Type.SizeInBytes()) | 16;
        return (int)(bits & -bits);
    }

    private static bool Same(Tensor a, Tensor b) => a.Data == b.Data && a.Rows == b.Rows && a.Columns == b.Columns && a.Stride == b.Stride;

    private static bool Overlap(Tensor a, Tensor b) => a.Data < End(b) && b.Data < End(a);

    /// <summary>True when a's memory has no gaps and holds all of b.</summary>
    private static bool Covers(Tensor a, Tensor b) => a.IsContiguous && a.Data <= b.Data && End(b) <= End(a);

    private static nint End(Tensor tensor) =>
        tensor.Rows == 0 ? tensor.Data : tensor.Data + (((nint)(tensor.Rows - 1) * tensor.Stride) + tensor.Columns) * tensor.Type.SizeInBytes();
}
