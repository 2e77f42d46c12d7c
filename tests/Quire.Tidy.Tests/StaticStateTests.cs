using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Quire.Tidy.Tests;

/// <summary>Process-wide mutable state makes two engines in one process impossible and tests depend on each other.</summary>
public class StaticStateTests
{
    [Fact]
    public void No_type_keeps_mutable_statics()
    {
        var mutable = new List<string>();
        foreach (string path in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll"))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (!name.StartsWith("Quire.", StringComparison.OrdinalIgnoreCase) && name != "quire" || name.EndsWith(".Tests", StringComparison.Ordinal))
            {
                continue;
            }

            mutable.AddRange(Assembly.LoadFrom(path).GetTypes()
                .Where(type => !IsGenerated(type))
                .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                .Where(field => !field.IsInitOnly && !field.IsLiteral && !field.IsDefined(typeof(CompilerGeneratedAttribute)))
                .Select(field => $"{field.DeclaringType!.FullName}.{field.Name}"));
        }

        Assert.Empty(mutable);
    }

    private static bool IsGenerated(Type type) =>
        type.IsDefined(typeof(CompilerGeneratedAttribute))
        || type.IsDefined(typeof(System.CodeDom.Compiler.GeneratedCodeAttribute))
        || type.FullName!.Contains('<', StringComparison.Ordinal)
        || (type.DeclaringType is { } outer && IsGenerated(outer));
}
