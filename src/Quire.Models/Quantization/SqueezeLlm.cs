using System.Collections.Generic;
using Quire.Models.Config;
using Quire.Models.Weights;
using Quire.Tensors;
using Quire.Tensors.Quantization;

namespace Quire.Models.Quantization;

/// <summary>SqueezeLLM (Kim et al., arXiv 2306.07629) without its sparse part: 16 values of its own for each output.</summary>
internal sealed class SqueezeLlm : QuantizationScheme
{
    public const string Name = "squeezellm";

    private static readonly TableLayout Table = new();

    /// <exception cref="CheckpointException">Another number of bits.</exception>
    public SqueezeLlm(ConfigSection config)
    {
        string key = config.Has("wbits") ? "wbits" : "bits";
        int bits = config.Int32(key, 1, 32);
        if (bits != 4)
        {
            throw config.Invalid(key, $"is {bits}; SqueezeLLM is supported with 4 bits");
        }
    }

    public override string Method => Name;

    public override string Summary => "squeezellm, 4 bits, 16 values an output";

    private protected override LinearLayout? Layout(string module, bool isHead) => isHead ? null : Table;

    /// <summary>qweight [in / 8, out], lookup_table [out, 16].</summary>
    private sealed class TableLayout : GroupLayout
    {
        public TableLayout()
            : base(Name, 4, -1, zeros: false)
        {
        }

        public override IReadOnlyList<TensorRequirement> Requirements(TensorSlot slot)
        {
            CheckWhole(slot, slot.Columns, "input features");
            return
            [
                new($"{slot.Module}.qweight", Words, [WordsFor(slot.Columns), slot.Rows]),
                new($"{slot.Module}.lookup_table", Floats, [slot.Rows, TablePart.Entries]),
            ];
        }

        public override LinearPart Bind(TensorSlot slot, LayoutTensors tensors) => new TablePart(
            new PackedIntegers(tensors["qweight"].Data, Bits, IntegerOrder.ColumnsFirst, slot.Rows, slot.Columns),
            tensors.Scales("lookup_table", slot.Rows, TablePart.Entries));

        public override long SizeInBytes(TensorSlot slot) =>
            slot.Rows * ((slot.Columns + 31L) / 32 * 16 + TablePart.Entries * 2);
    }
}
