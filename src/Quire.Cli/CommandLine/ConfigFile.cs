using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using System.Text.Json.Nodes;
using Quire.Engine;
using Quire.Engine.Options;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Quire.Cli.CommandLine;

/// <summary>
/// Reads a <c>--config</c> file: option names without dashes, as the YAML of vLLM has them. It works on YAML's representation tree, since
/// object mapping would need reflection. Names of another command's options are let through: one file may serve them all.
/// </summary>
internal static class ConfigFile
{
    private const int DeepestNesting = 64;
    private const long LargestFile = 4 << 20;

    public static void Load(string path, OptionSet options, SamplingFlags sampling)
    {
        foreach ((string name, YamlNode node) in ReadMapping(path))
        {
            string where = $"{name} of {path}";
            OptionProblem? problem;
            if (OptionCatalogue.Find(name.Split('.')[0]) is null && SamplingFlags.Knows("--" + name) && node is not YamlMappingNode)
                problem = sampling.Add("--" + name, node is YamlSequenceNode items ? Texts(items, where) : [ScalarText(node)]);
            else if (node is YamlSequenceNode sequence && OptionCatalogue.Find(name) is { Kind: OptionKind.TextList })
                problem = options.AddList(name, Texts(sequence, where), OptionOrigin.ConfigFile, where);
            else if (node is YamlScalarNode)
                problem = options.Add(name, ScalarText(node), OptionOrigin.ConfigFile, where);
            else
                problem = options.Add(name, ToJson(node, 0)?.ToJsonString() ?? "null", OptionOrigin.ConfigFile, where);
            if (problem is not null)
                throw Failures.From(problem.Code == ErrorCodes.UnknownOption ? OptionSet.Unknown(problem.Option, $"{name} in {path}", SamplingFlags.Names) : problem);
        }
    }

    private static List<(string Name, YamlNode Value)> ReadMapping(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > LargestFile })
                throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path} has more than {LargestFile} bytes; this is no configuration file");
            using var reader = new StreamReader(path);
            var stream = new YamlStream();
            stream.Load(reader);
            if (stream.Documents.Count == 0)
                return [];
            if (stream.Documents[0].RootNode is not YamlMappingNode root)
                throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path} must hold names and values, such as max_num_seqs: 64");
            var entries = new List<(string, YamlNode)>(root.Children.Count);
            foreach ((YamlNode key, YamlNode value) in root.Children)
                entries.Add((ScalarText(key), value));
            return entries;
        }
        catch (YamlException failure)
        {
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"{path}, line {failure.Start.Line}: {Failures.OneLine(failure.Message)}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Failures.Unreadable(path, failure);
        }
    }

    private static List<string> Texts(YamlSequenceNode sequence, string where)
    {
        var items = new List<string>(sequence.Children.Count);
        foreach (YamlNode child in sequence.Children)
            items.Add(child is YamlScalarNode ? ScalarText(child) : ToJson(child, 0)?.ToJsonString() ?? throw Failures.Usage(ErrorCodes.UnreadableFile, $"{where} holds an empty entry"));
        return items;
    }

    private static string ScalarText(YamlNode node) => node switch
    {
        YamlScalarNode { Value: "~" or "" or null, Style: ScalarStyle.Plain } => "none",
        YamlScalarNode scalar => scalar.Value ?? "none",
        _ => throw Failures.Usage(ErrorCodes.UnreadableFile, $"line {node.Start.Line} of the configuration file holds a nested value where a name belongs"),
    };

    private static JsonNode? ToJson(YamlNode node, int depth)
    {
        if (depth > DeepestNesting)
            throw Failures.Usage(ErrorCodes.UnreadableFile, $"the configuration file is nested deeper than {DeepestNesting}");
        switch (node)
        {
            case YamlMappingNode mapping:
                var result = new JsonObject();
                foreach ((YamlNode key, YamlNode value) in mapping.Children)
                    result[ScalarText(key)] = ToJson(value, depth + 1);
                return result;
            case YamlSequenceNode sequence:
                var list = new JsonArray();
                foreach (YamlNode child in sequence.Children)
                    list.Add(ToJson(child, depth + 1));
                return list;
            default:
                return ScalarToJson((YamlScalarNode)node);
        }
    }

    private static JsonValue? ScalarToJson(YamlScalarNode scalar)
    {
        string text = scalar.Value ?? "";
        if (scalar.Style != ScalarStyle.Plain)
            return JsonValue.Create(text);
        switch (text.ToLowerInvariant())
        {
            case "" or "~" or "null":
                return null;
            case "true" or "yes" or "on":
                return JsonValue.Create(true);
            case "false" or "no" or "off":
                return JsonValue.Create(false);
            default:
                try
                {
                    return JsonNode.Parse(text) is JsonValue number ? number : JsonValue.Create(text);
                }
                catch (JsonException)
                {
                    return JsonValue.Create(text);
                }
        }
    }
}
