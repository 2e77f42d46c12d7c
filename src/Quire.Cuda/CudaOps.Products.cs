using System;
using System.Collections.Generic;
using Quire.Cuda.Blas;
using Quire.Cuda.Device;
using Quire.Tensors;

namespace Quire.Cuda;

/// <content>Products, and the norms and activations around them that are joined with them.</content>
internal sealed partial class CudaOps
{
    private readonly Dictionary<(DType Type, int Rows, int Columns), List<nint>> _weights = [];

    // A product that was called and not launched.
    private bool _hasProduct;
    private Tensor _productX;
    private CudaLinear? _productWeight;
    private Tensor _productY;
    private RowOperation _productBefore; // what x has still to go through
    private Tensor _productNormWeight;
    private float _productEpsilon;
    private float _productOffset;
    private Activation _productActivation;

    // y = norm(x) that was called and not written.
    private bool _hasNorm;
    private Tensor _normX;
    private Tensor _normWeight;
    private Tensor _normY;
    private float _normEpsilon;
    private float _normOffset;

    // y = activation(gate) * up that was called and not written.
    private bool _hasGate;
    private Tensor _gateX;
    private Tensor _gateY;
    private Activation _gateActivation;

    /// <summary>What is computed on the way of x into a product.</summary>
    private enum RowOperation
    {
        None,
        Norm,
        Gate,
    }

    public void Linear(Tensor x, LinearWeight weight, Tensor y)
    {
        LaunchProduct();
        var linear = (CudaLinear)weight;
        if (_hasNorm && Same(x, _normY) && _normOffset is 0 or 1 && (IsSkinny(_normX, linear) || Quantizes(_normX, linear)))
        {
            _productBefore = RowOperation.Norm;
            _productX = _normX;
            _productNormWeight = _normWeight;
            _productEpsilon = _normEpsilon;
            _productOffset = _normOffset;
        }
        else if (_hasGate && Same(x, _gateY) && !IsSkinny(x, linear) && Quantizes(_gateX, linear))
        {
            _productBefore = RowOperation.Gate;
            _productX = _gateX;
            _productActivation = _gateActivation;
        }
        else
        {
            Reads(x);
            _productBefore = RowOperation.None;
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
        if (_hasProduct && Same(gateUp, _productY) && IsSkinny(_productX, _productWeight!) && _productWeight!.OutFeatures == 2 * y.Columns)
        {
            _hasProduct = false;
            Writes(y);
            LaunchSkinny(y, gated: true, activation, accumulate: false);
            return;
        }

        if (_hasProduct && Same(gateUp, _productY) && TakesGate(y))
        {
            _hasProduct = false;
            Writes(y);
            LaunchGated(activation, y);
            return;
        }

        Reads(gateUp);
        Writes(y);
        if (_fuse && y.Rows > _fewRows)
        {
            _hasGate = true;
            _gateX = gateUp;
            _gateY = y;
            _gateActivation = activation;
            return;
        }

        LaunchMap("gated_activation", gateUp, y, (int)activation, 1);
    }

    public void Release(Tensor x)
    {
        if (_hasGate && Covers(x, _gateY))
        {
            _hasGate = false;
        }
    }

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        Reads(x);
        Writes(y);
        if (_fuse && weight.Columns == x.Columns && !Same(x, y))
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
            ReadsKept(residual);
            WritesKept(residual);
            if (IsSkinny(_productX, _productWeight!))
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
        WriteGate();
    }

    /// <summary>While true, the first product of each shape is timed with all algorithms.</summary>
    public bool IsTuning { get; set; }

    /// <summary>Says that there is such a weight, for trials.</summary>
    public void NoteWeight(Tensor weight)
    {
        if (!_weights.TryGetValue((weight.Type, weight.Rows, weight.Columns), out List<nint>? addresses))
        {
            addresses = [];
            _weights.Add((weight.Type, weight.Rows, weight.Columns), addresses);
        }

        addresses.Add(weight.Data);
    }

    /// <summary>Weights of this shape that do not fit into the L2 cache together, if there are so many.</summary>
    private nint[] WeightsLike(Tensor weight)
    {
        long bytes = weight.ElementCount * weight.Type.SizeInBytes();
        int wanted = (int)(2L * _device.L2CacheBytes / bytes) + 1;
        return _weights.TryGetValue((weight.Type, weight.Rows, weight.Columns), out List<nint>? addresses)
            ? addresses.GetRange(0, Math.Min(wanted, addresses.Count)).ToArray()
            : [weight.Data];
    }

    /// <summary>True where this x goes through the kernels for few rows.</summary>
    private bool IsSkinny(Tensor x, CudaLinear weight) => _fuse && weight switch
    {
        DenseLinear { Weight: var w } => x.Rows <= _fewRows && w.Columns % 8 == 0 && w.Stride % 8 == 0 && w.Data % 16 == 0,
        PackedLinear packed => x.Rows <= (packed.Format == PackedFormat.Float8 && _scaledProducts ? _fewRows : FewPackedRows) && x.Stride % 4 == 0 && x.Data % 8 == 0,
        _ => false,
    };

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

    private void WriteGate()
    {
        if (_hasGate)
        {
            _hasGate = false;
            LaunchMap("gated_activation", _gateX, _gateY, (int)_gateActivation, 1);
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
        if (IsSkinny(_productX, _productWeight!))
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
        switch (_productWeight!)
        {
            case DenseLinear dense:
                MultiplyPlain(dense.Weight, dense.Bias, y, accumulate, WeightsLike(dense.Weight));
                break;
            case PackedLinear packed when Quantizes(_productX, packed):
                LaunchQuantized(packed, y, accumulate);
                break;
            case PackedLinear packed:
                Tensor expanded = Expand(packed);
                MultiplyPlain(expanded, packed.Bias, y, accumulate, [expanded.Data]);
                break;
        }

        LogitsVersion += y.Type == DType.F32 ? 1 : 0;
    }

    private void MultiplyPlain(Tensor w, nint bias, Tensor y, bool accumulate, ReadOnlySpan<nint> likeW)
    {
        // cuBLASLt wants a bias in the type of y; ours has the activations' type.
        bool apart = bias != 0 && y.Type == DType.F32;
        Multiply(_productX, w, apart ? 0 : bias, y, accumulate, 0, 0, likeW);
        if (apart)
        {
            ShapeLogits(y, 0, 1, bias);
        }
    }

    private void Multiply(Tensor x, Tensor w, nint bias, Tensor y, bool accumulate, nint xScales, nint wScales, ReadOnlySpan<nint> likeW)
    {
        MatmulShape shape = MatmulShape.Of(x, w, y) with
        {
            HasBias = bias != 0,
            Accumulates = accumulate,
            FastAccumulation = xScales != 0,
            Alignment = Math.Min(Alignment(x), Math.Min(Alignment(w), Alignment(y))),
        };
        if (IsTuning && !_planner.Get(shape).IsTuned)
        {
            _planner.Tune(shape, x.Data, likeW, y.Data, bias, xScales, wScales);
        }

        _lastIsLight = false;
        _planner.Get(shape).Run(_stream, x.Data, w.Data, y.Data, bias, 1, accumulate ? 1 : 0, xScales, wScales);
    }

    private void LaunchSkinny(Tensor y, bool gated, Activation activation, bool accumulate)
    {
        CudaLinear weight = _productWeight!;
        int outputs = gated ? weight.OutFeatures / 2 : weight.OutFeatures;
        var packed = weight as PackedLinear;
        Tensor dense = (weight as DenseLinear)?.Weight ?? default;
        var arguments = new SkinnyArguments
        {
            X = _productX.Data,
            W = packed?.Values ?? dense.Data,
            Y = y.Data,
            Bias = weight.Bias,
            NormWeight = _productBefore == RowOperation.Norm ? _productNormWeight.Data : 0,
            Scales = packed?.Scales ?? 0,
            Zeros = packed?.Zeros ?? 0,
            M = _productX.Rows,
            N = outputs,
            K = weight.InFeatures,
            XStride = _productX.Stride,
            WStride = packed?.RowBytes ?? dense.Stride,
            YStride = y.Stride,
            UpOffset = gated ? outputs : 0,
            Activation = (int)activation,
            Accumulate = accumulate ? 1 : 0,
            FloatOutput = y.Type == DType.F32 ? 1 : 0,
            Epsilon = _productEpsilon,
            NormAddsOne = _productOffset == 1 ? 1 : 0,
            GroupSize = packed?.GroupSize ?? 0,
            Groups = packed?.Groups ?? 0,
        };
        int tiles = _productX.Rows <= 8 ? 1 : _productX.Rows <= 16 ? 2 : 4;
        int rowTiles = gated ? 2 : 1;
        CudaKernel kernel = packed is null ? _kernels.Skinny(tiles, rowTiles) : SkinnyKernel(packed, tiles, rowTiles);
        Launch(kernel, (outputs + 15) / 16, Threads, arguments);
        LogitsVersion += y.Type == DType.F32 ? 1 : 0;
    }
}
