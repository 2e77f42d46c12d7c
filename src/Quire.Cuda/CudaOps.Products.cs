using System;
using System.Collections.Generic;
using Quire.Cuda.Blas;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>Products, and the norms and activations around them that are joined with them.</content>
internal sealed partial class CudaOps
{
    private readonly Dictionary<(int Rows, int Columns), List<nint>> _weights = [];

    // A product that was called and not launched.
    private bool _hasProduct;
    private Tensor _productX;
    private CudaLinear? _productWeight;
    private Tensor _productY;
    private bool _productNorm;   // x is the norm of _productX by _productNormWeight
    private Tensor _productNormWeight;
    private float _productEpsilon;
    private float _productOffset;

    // y = norm(x) that was called and not written.
    private bool _hasNorm;
    private Tensor _normX;
    private Tensor _normWeight;
    private Tensor _normY;
    private float _normEpsilon;
    private float _normOffset;

    public void Linear(Tensor x, LinearWeight weight, Tensor y)
    {
        LaunchProduct();
        var linear = (CudaLinear)weight;
        _productNorm = _hasNorm && Same(x, _normY) && IsSkinny(x.Rows, linear);
        if (_productNorm)
        {
            _productX = _normX;
            _productNormWeight = _normWeight;
            _productEpsilon = _normEpsilon;
            _productOffset = _normOffset;
        }
        else
        {
            Reads(x);
            _productX = x;
        }

        Writes(y);
        _productWeight = linear;
        _productY = y;
        _hasProduct = true;
        if (!_fuse || y.Type == DType.F32)
        {
            LaunchProduct();
        }
    }

    public void GatedActivation(Activation activation, Tensor gateUp, Tensor y)
    {
        if (_hasProduct && Same(gateUp, _productY) && IsSkinny(gateUp.Rows, _productWeight!) && _productWeight!.OutFeatures == 2 * y.Columns)
        {
            _hasProduct = false;
            Writes(y);
            LaunchSkinny(y, gated: true, activation, accumulate: false);
            return;
        }

        Reads(gateUp);
        Writes(y);
        LaunchMap("gated_activation", gateUp, y, (int)activation, 1);
    }

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        Reads(x);
        Writes(y);
        if (_fuse && x.Rows <= _fewRows && weight.Columns == x.Columns && !Same(x, y))
        {
            KeepNorm(x, weight, epsilon, weightOffset, y);
            return;
        }

        LaunchNorm("rms_norm", x, default, weight, default, epsilon, weightOffset, y);
    }

    public void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        if (_hasProduct && Same(x, _productY) && _productY.Type == residual.Type && residual.Rows == x.Rows)
        {
            _hasProduct = false;
            ReadsNorm(residual);
            WritesNorm(residual);
            if (IsSkinny(x.Rows, _productWeight!))
            {
                LaunchSkinny(residual, gated: false, default, accumulate: true);
            }
            else
            {
                LaunchMatmul(residual, accumulate: true);
            }

            RmsNorm(residual, weight, epsilon, weightOffset, y);
            return;
        }

        Reads(x);
        Reads(residual);
        Writes(residual);
        Writes(y);
        LaunchNorm("rms_norm", x, residual, weight, default, epsilon, weightOffset, y);
    }

    /// <summary>Launches everything that was kept.</summary>
    public void Flush()
    {
        LaunchProduct();
        WriteNorm();
    }

    /// <summary>While true, the first product of each shape is timed with all algorithms.</summary>
    public bool IsTuning { get; set; }

    /// <summary>Says that there is such a weight, for trials.</summary>
    public void NoteWeight(Tensor weight)
    {
        if (!_weights.TryGetValue((weight.Rows, weight.Columns), out List<nint>? addresses))
        {
            addresses = [];
            _weights.Add((weight.Rows, weight.Columns), addresses);
        }

        addresses.Add(weight.Data);
    }

    /// <summary>Weights of this shape that do not fit into the L2 cache together, if there are so many.</summary>
    private nint[] WeightsLike(Tensor weight)
    {
        long bytes = weight.ElementCount * weight.Type.SizeInBytes();
        int wanted = (int)(2L * _device.L2CacheBytes / bytes) + 1;
        return _weights.TryGetValue((weight.Rows, weight.Columns), out List<nint>? addresses)
            ? addresses.GetRange(0, Math.Min(wanted, addresses.Count)).ToArray()
            : [weight.Data];
    }

    private bool IsSkinny(int rows, CudaLinear weight) =>
        _fuse && rows <= _fewRows && weight.InFeatures % 8 == 0 && weight.Weight.Stride % 8 == 0 && weight.Weight.Data % 16 == 0;

    private void KeepNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        _hasNorm = true;
        _normX = x;
        _normWeight = weight;
        _normY = y;
        _normEpsilon = epsilon;
        _normOffset = weightOffset;
    }

    private void WriteNorm()
    {
        if (_hasNorm)
        {
            _hasNorm = false;
            LaunchNorm("rms_norm", _normX, default, _normWeight, default, _normEpsilon, _normOffset, _normY);
        }
    }

    /// <summary>Launches what was called last and kept. A rotation and a product are never kept together.</summary>
    private void LaunchProduct()
    {
        LaunchRope();
        if (!_hasProduct)
        {
            return;
        }

        _hasProduct = false;
        if (IsSkinny(_productX.Rows, _productWeight!))
        {
            LaunchSkinny(_productY, gated: false, default, accumulate: false);
        }
        else
        {
            LaunchMatmul(_productY, accumulate: false);
        }
    }

    private void LaunchMatmul(Tensor y, bool accumulate)
    {
        CudaLinear weight = _productWeight!;
        Tensor x = _productX;
        Tensor w = weight.Weight;
        MatmulShape shape = MatmulShape.Of(x, w, y) with
        {
            HasBias = weight.Bias != 0,
            Accumulates = accumulate,
            Alignment = Math.Min(Alignment(x), Math.Min(Alignment(w), Alignment(y))),
        };
        if (IsTuning && !_planner.Get(shape).IsTuned)
        {
            _planner.Tune(shape, x.Data, WeightsLike(w), y.Data, weight.Bias);
        }

        _lastIsLight = false;
        _planner.Get(shape).Run(_stream, x.Data, w.Data, y.Data, weight.Bias, 1, accumulate ? 1 : 0);
        LogitsVersion += y.Type == DType.F32 ? 1 : 0;
    }

    private void LaunchSkinny(Tensor y, bool gated, Activation activation, bool accumulate)
    {
        CudaLinear weight = _productWeight!;
        int outputs = gated ? weight.OutFeatures / 2 : weight.OutFeatures;
        var arguments = new SkinnyArguments
        {
            X = _productX.Data,
            W = weight.Weight.Data,
            Y = y.Data,
            Bias = weight.Bias,
            NormWeight = _productNorm ? _productNormWeight.Data : 0,
            M = _productX.Rows,
            N = outputs,
            K = weight.InFeatures,
            XStride = _productX.Stride,
            WStride = weight.Weight.Stride,
            YStride = y.Stride,
            UpOffset = gated ? outputs : 0,
            Activation = (int)activation,
            Accumulate = accumulate ? 1 : 0,
            FloatOutput = y.Type == DType.F32 ? 1 : 0,
            Epsilon = _productEpsilon,
            WeightOffset = _productOffset,
        };
        int tiles = _productX.Rows <= 8 ? 1 : _productX.Rows <= 16 ? 2 : 4;
        Launch(_kernels.Skinny(tiles, gated ? 2 : 1), (outputs + 15) / 16, Threads, arguments);
        LogitsVersion += y.Type == DType.F32 ? 1 : 0;
    }

    /// <summary>Launches what was kept and writes to this tensor's memory.</summary>
    private void Reads(Tensor tensor)
    {
        LaunchProduct();
        ReadsNorm(tensor);
    }

    /// <summary>Launches what was kept and still needs this tensor's memory as it is, and drops a norm that nobody can read any more.</summary>
    private void Writes(Tensor tensor)
    {
        LaunchProduct();
        WritesNorm(tensor);
    }

    private void ReadsNorm(Tensor tensor)
    {
        if (_hasNorm && Overlap(tensor, _normY))
        {
            WriteNorm();
        }
    }

    private void WritesNorm(Tensor tensor)
    {
        if (!_hasNorm)
        {
            return;
        }

        if (Overlap(tensor, _normX) || (Overlap(tensor, _normY) && !Covers(tensor, _normY)))
        {
            WriteNorm();
        }
        else if (Covers(tensor, _normY))
        {
            _hasNorm = false;
        }
    }

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
