using System;

namespace Quire.Tensors.Reference;

/// <content>Mixtures of experts.</content>
public sealed unsafe partial class ReferenceOps
{
    public void RouteExperts(Tensor logits, bool normalise, Tensor ids, Tensor weights)
    {
        for (int t = 0; t < logits.Rows; t++)
        {
            Span<int> chosen = ids.HostRow<int>(t);
            for (int j = 0; j < chosen.Length; j++)
            {
                chosen[j] = Largest(logits, t, chosen[..j]);
            }

            double largest = Elements.Load(logits, t, chosen[0]);
            double total = 0;
            for (int expert = 0; expert < logits.Columns; expert++)
            {
                bool counts = !normalise || chosen.Contains(expert);
                total += counts ? Math.Exp(Elements.Load(logits, t, expert) - largest) : 0;
            }

            for (int j = 0; j < chosen.Length; j++)
            {
                Elements.Store(weights, t, j, (float)(Math.Exp(Elements.Load(logits, t, chosen[j]) - largest) / total));
            }
        }
    }

    public void LinearExperts(Tensor x, ExpertWeights experts, Tensor ids, Tensor y)
    {
        for (int i = 0; i < y.Rows; i++)
        {
            int expert = Elements.Integer(ids, i);
            int source = x.Rows == y.Rows ? i : i / ids.Columns;
            Linear(x.RowRange(source, 1), experts.Experts[expert], y.RowRange(i, 1));
        }
    }

    public void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        for (int t = 0; t < y.Rows; t++)
        {
            for (int c = 0; c < y.Columns; c++)
            {
                double sum = 0;
                for (int j = 0; j < weights.Columns; j++)
                {
                    sum += (double)Elements.Load(weights, t, j) * Elements.Load(x, t * weights.Columns + j, c);
                }

                Elements.Store(y, t, c, (float)sum);
            }
        }
    }

    /// <summary>The first of the largest entries of a row that are not taken yet; NaN counts as the least.</summary>
    private static int Largest(Tensor logits, int row, ReadOnlySpan<int> taken)
    {
        int best = -1;
        for (int i = 0; i < logits.Columns; i++)
        {
            if (!taken.Contains(i) && (best < 0 || Elements.Load(logits, row, i) > Elements.Load(logits, row, best)
                || float.IsNaN(Elements.Load(logits, row, best)) && !float.IsNaN(Elements.Load(logits, row, i))))
            {
                best = i;
            }
        }

        return best;
    }
}
