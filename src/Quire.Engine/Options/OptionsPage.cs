using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Quire.Engine.Options;

/// <summary>Writes <c>docs/options.md</c> from the catalogue.</summary>
public static class OptionsPage
{
    /// <summary>The page, with line feeds.</summary>
    public static string Write()
    {
        var page = new StringBuilder();
        page.Append("# Options\n\n");
        page.Append("<!-- Written by `quire options-page`; a test fails when it is stale. Change the catalogue in src/Quire.Engine/Options instead. -->\n\n");
        page.Append("Every option has three spellings: `--max-num-seqs 64` on the command line (`_` and `-` are alike), `QUIRE_MAX_NUM_SEQS=64` in the environment, ");
        page.Append("`max_num_seqs: 64` in the YAML file of `--config`. The command line wins over the environment, and that over the file. ");
        page.Append("In .NET it is a property of `EngineOptions` (`MaxNumSeqs`).\n\n");
        page.Append("- Flags come in pairs: `--enable-prefix-caching`, `--no-enable-prefix-caching`.\n");
        page.Append("- Sizes may be written `25.6k` (decimal) or `1K` (binary), with k, m, g and t.\n");
        page.Append("- JSON options take JSON, or dotted keys: `--hf-overrides.rope_theta 10000`; a key that ends in `+` appends to a list. Dotted keys are merged into what is set already.\n");
        page.Append("- A name that does not exist is an error that names the nearest one.\n");
        page.Append("- `quire explain` prints every option with the value in force, where it came from and why.\n\n");
        page.Append("The last column says what is special here. *No effect*: accepted with one warning, since it cannot change a result. ");
        page.Append("*Default only*: any other value is refused, since accepting it would promise something that does not happen.\n");
        foreach (OptionGroup group in Enum.GetValues<OptionGroup>())
            WriteGroup(page, group);
        WriteRetired(page);
        return page.ToString();
    }

    private static void WriteGroup(StringBuilder page, OptionGroup group)
    {
        bool any = false;
        foreach (OptionDescriptor option in OptionCatalogue.All)
        {
            if (option.Group != group)
                continue;
            if (!any)
            {
                page.Append("\n## ").Append(OptionCatalogue.Title(group)).Append("\n\n| Option | Default | Values | Meaning | Here |\n|---|---|---|---|---|\n");
                any = true;
            }

            page.Append("| `").Append(option.Flag).Append('`');
            foreach (string alias in option.Aliases)
                page.Append(", `").Append(alias).Append('`');
            page.Append(" | ").Append(Cell(option.Default)).Append(" | ").Append(Cell(Values(option))).Append(" | ").Append(Cell(option.Help)).Append(" | ");
            page.Append(option.Effect switch
            {
                OptionEffect.Hint => "No effect: " + Cell(option.Note),
                OptionEffect.Refused => "Default only: " + Cell(option.Note),
                _ when option.RefusedChoices.Count > 0 => "Not available: " + Cell(string.Join(", ", option.RefusedChoices)),
                _ => "",
            }).Append(" |\n");
        }
    }

    private static void WriteRetired(StringBuilder page)
    {
        page.Append("\n## Retired names\n\nNames that vLLM once had. Each is accepted with one warning that says what took its place.\n\n| Name | What to know |\n|---|---|\n");
        foreach (RetiredOption option in RetiredOption.All)
        {
            page.Append("| `--").Append(option.Name.Replace('_', '-')).Append("` | ").Append(Cell(option.Note));
            if (option.MustBeNeutral)
                page.Append(". Refused unless it asks for nothing");
            page.Append(" |\n");
        }
    }

    private static string Values(OptionDescriptor option)
    {
        if (option.Choices.Count > 0)
            return string.Join(", ", option.Choices);
        string kind = option.Kind switch
        {
            OptionKind.Flag => "flag",
            OptionKind.Integer => "integer",
            OptionKind.Size => "size",
            OptionKind.Number => "number",
            OptionKind.TextList => "one or more texts",
            OptionKind.Json => "JSON",
            OptionKind.Choice => "method",
            _ => "text",
        };
        var text = new StringBuilder(kind);
        if (option.Minimum is { } low)
            text.Append(option.MinimumIsExclusive ? " > " : " ≥ ").Append(low.ToString(CultureInfo.InvariantCulture));
        if (option.Maximum is { } high)
            text.Append(option.Minimum is null ? " " : ", ").Append(option.MaximumIsExclusive ? "< " : "≤ ").Append(high.ToString(CultureInfo.InvariantCulture));
        foreach ((string word, _) in option.Keywords ?? new Dictionary<string, long>())
            text.Append(", ").Append(word);
        return text.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
