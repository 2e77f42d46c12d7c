using System;
using System.Diagnostics;

namespace Quire.Tensors.Reference;

/// <summary>Every operation of <see cref="ITensorOps"/> but attention, element by element, sums in double precision.</summary>
public sealed partial class ReferenceOps : ITensorOps
{
    public void Embed(Tensor tokenIds, Tensor table, float scale, Tensor y)
    {
        for (int t = 0; t < y.Rows; t++)
        {
            int id = Elements.Integer(tokenIds, t);
            for (int c = 0; c < y.Columns; c++)
            {
                Elements.Store(y, t, c, scale * Elements.Load(table, id, c));
            }
        }
    }

    public void RmsNorm(Tensor x, Tensor weight, float epsilon, float weightOffset, Tensor y)
    {
        int group = weight.Columns;
        for (int t = 0; t < x.Rows; t++)
        {
            for (int start = 0; start < x.Columns; start += group)
            {
                double sum = 0;
                for (int c = 0; c < group; c++)
                {
                    double value = Elements.Load(x, t, start + c);
                    sum += value * value;
                }

                double factor = 1 / Math.Sqrt(sum / group + epsilon);
                for (int c = 0; c < group; c++)
                {
                    double value = Elements.Load(x, t, start + c) * factor;
                    Elements.Store(y, t, start + c, (float)(value * (weightOffset + Elements.Load(weight, 0, c))));
                }
            }
        }
    }

    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor y)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            double mean = 0;
            for (int c = 0; c < x.Columns; c++)
            {
                mean += Elements.Load(x, t, c);
            }

            mean /= x.Columns;
            double variance = 0;
            for (int c = 0; c < x.Columns; c++)
            {
                double difference = Elements.Load(x, t, c) - mean;
                variance += difference * difference;
            }

            double factor = 1 / Math.Sqrt(variance / x.Columns + epsilon);
            for (int c = 0; c < x.Columns; c++)
            {
                double value = (Elements.Load(x, t, c) - mean) * factor * Elements.Load(weight, 0, c);
                Elements.Store(y, t, c, (float)(bias.IsNone ? value : value + Elements.Load(bias, 0, c)));
            }
        }
    }

    public void Embed(Tensor tokenIds, LinearWeight table, float scale, Tensor y)
    {
        var linear = (ReferenceLinear)table;
        Debug.Assert(linear.Parts.Count == 1 && linear.Bias is null);
        Embed(tokenIds, linear.Parts[0].Weight, scale, y);
    }

    public void Linear(Tensor x, LinearWeight weight, Tensor y)
    {
        var linear = (ReferenceLinear)weight;
        for (int t = 0; t < x.Rows; t++)
        {
            int output = 0;
            foreach (ReferencePart part in linear.Parts)
            {
                float[] inputs = Inputs(x, t, part);
                for (int row = 0; row < part.Weight.Rows; row++, output++)
                {
                    double sum = linear.Bias is null ? 0 : linear.Bias[output];
                    for (int c = 0; c < inputs.Length; c++)
                    {
                        sum += (double)inputs[c] * Elements.Load(part.Weight, row, c);
                    }

                    Elements.Store(y, t, output, (float)sum);
                }
            }
        }
    }

    public void AddLora(Tensor x, LoraWeight weight, in LoraBatch batch, Tensor y)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            int slot = Elements.Integer(batch.Slots, t);
            int output = 0;
            for (int part = 0; slot >= 0 && part < weight.Parts; part++)
            {
                int end = output + weight.PartRows[part];
                double[] inner = new double[weight.Rank];
                for (int r = 0; r < weight.Rank; r++)
                {
                    int row = (slot * weight.Parts + part) * weight.Rank + r;
                    for (int c = 0; c < x.Columns; c++)
                    {
                        inner[r] += (double)Elements.Load(x, t, c) * Elements.Load(weight.A, row, c);
                    }
                }

                for (; output < end; output++)
                {
                    double sum = Elements.Load(y, t, output);
                    for (int r = 0; r < weight.Rank; r++)
                    {
                        sum += inner[r] * Elements.Load(weight.B, slot * weight.Rank + r, output);
                    }

                    Elements.Store(y, t, output, (float)sum);
                }
            }
        }
    }

    public void Add(Tensor x, float scale, Tensor y)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                Elements.Store(y, t, c, Elements.Load(y, t, c) + scale * Elements.Load(x, t, c));
            }
        }
    }

    public void GatedActivation(Activation activation, Tensor gateUp, Tensor y)
    {
        for (int t = 0; t < y.Rows; t++)
        {
            for (int c = 0; c < y.Columns; c++)
            {
                double gate = Apply(activation, Elements.Load(gateUp, t, c));
                Elements.Store(y, t, c, (float)(gate * Elements.Load(gateUp, t, y.Columns + c)));
            }
        }
    }

    public void Activate(Activation activation, Tensor x)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                Elements.Store(x, t, c, (float)Apply(activation, Elements.Load(x, t, c)));
            }
        }
    }

    public void Rope(Tensor x, Tensor positions, in RopeTable table, int headDim)
    {
        int half = table.RotaryDim / 2;
        for (int t = 0; t < x.Rows; t++)
        {
            int position = Elements.Integer(positions, t);
            for (int head = 0; head < x.Columns; head += headDim)
            {
                for (int j = 0; j < half; j++)
                {
                    int first = head + (table.Interleaved ? 2 * j : j);
                    int second = head + (table.Interleaved ? 2 * j + 1 : j + half);
                    float cosine = Elements.Load(table.Cosines, position, j);
                    float sine = Elements.Load(table.Sines, position, j);
                    float a = Elements.Load(x, t, first);
                    float b = Elements.Load(x, t, second);
                    Elements.Store(x, t, first, a * cosine - b * sine);
                    Elements.Store(x, t, second, b * cosine + a * sine);
                }
            }
        }
    }

    public void GatherRows(Tensor x, Tensor rows, Tensor y)
    {
        for (int t = 0; t < y.Rows; t++)
        {
            int row = Elements.Integer(rows, t);
            for (int c = 0; c < y.Columns; c++)
            {
                Elements.Store(y, t, c, Elements.Load(x, row, c));
            }
        }
    }

    public void SoftCap(Tensor x, float cap)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                Elements.Store(x, t, c, (float)(cap * Math.Tanh(Elements.Load(x, t, c) / cap)));
            }
        }
    }

    public void Scale(Tensor x, float scale)
    {
        for (int t = 0; t < x.Rows; t++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                Elements.Store(x, t, c, scale * Elements.Load(x, t, c));
            }
        }
    }

    /// <summary>A row of x, rounded as the part wants it.</summary>
    private static float[] Inputs(Tensor x, int row, ReferencePart part)
    {
        var inputs = new float[x.Columns];
        for (int c = 0; c < inputs.Length; c++)
        {
            inputs[c] = Elements.Load(x, row, c);
        }

        part.Activations?.Round(inputs);
        return inputs;
    }

    private static double Apply(Activation activation, double x) => activation switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
        Activation.GeluErf => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
        Activation.Relu => Math.Max(x, 0),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation"),
    };

    /// <summary>
    /// The error function, by its Maclaurin series near 0 and the continued fraction of erfc further out (Abramowitz and Stegun,
    /// 7.1.5 and 7.1.14): .NET has none.
    /// </summary>
    private static double Erf(double x)
    {
        double magnitude = Math.Abs(x);
        if (magnitude < 3)
        {
            double term = x;
            double sum = x;
            for (int n = 1; n < 100 && Math.Abs(term) > 1e-18; n++)
            {
                term *= -x * x / n;
                sum += term / (2 * n + 1);
            }

            return 2 / Math.Sqrt(Math.PI) * sum;
        }

        double fraction = 0;
        for (int n = 60; n >= 1; n--)
        {
            fraction = n / 2.0 / (magnitude + fraction);
        }

        double complement = Math.Exp(-magnitude * magnitude) / Math.Sqrt(Math.PI) / (magnitude + fraction);
        return Math.Sign(x) * (1 - complement);
    }
}
