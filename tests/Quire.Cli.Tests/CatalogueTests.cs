using System;
using System.IO;
using System.Linq;
using System.Reflection;
using Quire.Engine;
using Quire.Engine.Options;

namespace Quire.Cli.Tests;

public class CatalogueTests
{
    [Fact]
    public void The_options_page_is_what_the_catalogue_says()
    {
        string path = Path.Combine(CliRun.RepositoryRoot, "docs", "options.md");
        Assert.True(File.Exists(path) && File.ReadAllText(path).ReplaceLineEndings("\n") == OptionsPage.Write(), "docs/options.md is stale; run: ./quire options-page > docs/options.md");
    }

    [Theory]
    [InlineData("model gpu_memory_utilization max_num_seqs max_model_len max_num_batched_tokens enable_chunked_prefill enable_prefix_caching tensor_parallel_size pipeline_parallel_size")]
    [InlineData("quantization dtype enforce_eager trust_remote_code download_dir load_format tokenizer_mode seed max_log_len swap_space num_scheduler_steps speculative_model")]
    [InlineData("num_speculative_tokens disable_log_requests uvicorn_log_level metrics_port")]
    public void Every_parameter_of_the_tuning_guide_is_known(string names)
    {
        foreach (string name in names.Split(' '))
            Assert.True(OptionCatalogue.Find(name) is not null || RetiredOption.Find(name) is not null, name);
    }

    [Fact]
    public void Every_engine_option_is_a_property_that_reads_and_writes_it()
    {
        var properties = typeof(EngineOptions).GetProperties().Where(property => property.Name is not "Settings").ToDictionary(property => property.Name.ToUpperInvariant());
        foreach (OptionDescriptor option in OptionCatalogue.All.Where(option => option.Scope == OptionScope.Engine))
        {
            Assert.True(properties.Remove(option.Name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant(), out PropertyInfo? property), option.Name);
            object value = Sample(property!.PropertyType);
            var options = new EngineOptions();
            Assert.Null(property.GetValue(options));
            property.SetValue(options, value);
            Assert.Equal(OptionValue.Format(value), OptionValue.Format(property.GetValue(options)));
            Assert.Equal(option.Name, options.Settings.Settings.Single().Option.Name);
        }

        Assert.Empty(properties.Keys);
    }

    [Fact]
    public void Copies_of_options_do_not_share_values()
    {
        var first = new EngineOptions { MaxNumSeqs = 4, Seed = 1 };
        EngineOptions second = first with { MaxNumSeqs = 8 };
        Assert.Equal((4, 8), (first.MaxNumSeqs, second.MaxNumSeqs));
        Assert.Equal(1, second.Seed);
        Assert.Equal(first, second with { MaxNumSeqs = 4 });
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void Names_aliases_and_retired_names_do_not_collide()
    {
        Assert.Equal(OptionCatalogue.All.Count, OptionCatalogue.All.Select(option => option.Name).Distinct().Count());
        Assert.DoesNotContain(RetiredOption.All, retired => OptionCatalogue.Find(retired.Name) is not null);
        foreach (RetiredOption retired in RetiredOption.All.Where(retired => retired.MapsTo is not null))
            Assert.NotNull(OptionCatalogue.Find(retired.MapsTo!.Split('.')[0]));
    }

    [Fact]
    public void What_has_no_effect_or_is_refused_says_why() =>
        Assert.All(OptionCatalogue.All.Where(option => option.Effect != OptionEffect.Effective), option => Assert.NotEmpty(option.Note));

    [Theory]
    [InlineData("max_num_seq", "max_num_seqs", 1)]
    [InlineData("max_nmu_seqs", "max_num_seqs", 1)]
    [InlineData("blocksize", "block_size", 1)]
    public void The_nearest_name_is_found(string mistyped, string expected, int distance)
    {
        Assert.Equal(expected, NearestName.Find(mistyped, OptionCatalogue.All.Select(option => option.Name), out int found));
        Assert.Equal(distance, found);
    }

    private static object Sample(Type type)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        if (plain == typeof(bool))
            return true;
        if (plain == typeof(int))
            return 7;
        if (plain == typeof(long))
            return 7L;
        if (plain == typeof(double))
            return 0.5;
        if (plain == typeof(string))
            return "text";
        return plain == typeof(System.Text.Json.JsonElement) ? System.Text.Json.JsonDocument.Parse("{\"a\":1}").RootElement : new[] { "one", "two" };
    }
}
