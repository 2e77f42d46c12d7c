using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>
/// A node of a parsed template. Depth is counted while nodes are made, because chains (<c>a + b + c + …</c>) grow deep trees without deep
/// parsing, and the evaluator walks trees by recursion.
/// </summary>
internal abstract class SyntaxNode
{
    private const int DepthMax = 1000;

    protected SyntaxNode(int line, params ReadOnlySpan<SyntaxNode?> children)
    {
        Line = line;
        foreach (SyntaxNode? child in children)
            Depth = Math.Max(Depth, (child?.Depth ?? 0) + 1);
        if (Depth > DepthMax)
            throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"The template is nested more than {DepthMax} deep.", line);
    }

    public int Line { get; }

    private int Depth { get; }
}

internal abstract class Expression(int line, params ReadOnlySpan<SyntaxNode?> children) : SyntaxNode(line, children);

internal sealed class ConstantExpression(TemplateValue value, int line) : Expression(line)
{
    public TemplateValue Value { get; } = value;
}

internal sealed class NameExpression(string name, int line) : Expression(line)
{
    public string Name { get; } = name;
}

/// <summary><c>ns.name</c> as the target of a <c>set</c>.</summary>
internal sealed class NamespaceTarget(string name, string attribute, int line) : Expression(line)
{
    public string Name { get; } = name;

    public string Attribute { get; } = attribute;
}

/// <summary>A list or tuple literal, or several targets of an assignment.</summary>
internal sealed class ListExpression(Expression[] items, bool tuple, int line) : Expression(line, items)
{
    public Expression[] Items { get; } = items;

    public bool Tuple { get; } = tuple;
}

/// <summary>A dictionary literal: key, value, key, value …</summary>
internal sealed class DictionaryExpression(Expression[] keysAndValues, int line) : Expression(line, keysAndValues)
{
    public Expression[] KeysAndValues { get; } = keysAndValues;
}

internal sealed class AttributeExpression(Expression target, string name, int line) : Expression(line, target)
{
    public Expression Target { get; } = target;

    public string Name { get; } = name;
}

internal sealed class ItemExpression(Expression target, Expression key, int line) : Expression(line, target, key)
{
    public Expression Target { get; } = target;

    public Expression Key { get; } = key;
}

internal sealed class SliceExpression(Expression? start, Expression? stop, Expression? step, int line) : Expression(line, start, stop, step)
{
    public Expression? Start { get; } = start;

    public Expression? Stop { get; } = stop;

    public Expression? Step { get; } = step;
}

/// <summary>The arguments of a call, a filter or a test.</summary>
internal sealed class ArgumentList(
    Expression[] positional, (string Name, Expression Value)[] named, Expression? morePositional, Expression? moreNamed, int line)
    : SyntaxNode(line, [.. positional, .. Array.ConvertAll(named, item => item.Value), morePositional, moreNamed])
{
    public Expression[] Positional { get; } = positional;

    public (string Name, Expression Value)[] Named { get; } = named;

    public Expression? MorePositional { get; } = morePositional;

    public Expression? MoreNamed { get; } = moreNamed;
}

internal sealed class CallExpression(Expression target, ArgumentList arguments, int line) : Expression(line, target, arguments)
{
    public Expression Target { get; } = target;

    public ArgumentList Arguments { get; } = arguments;
}

/// <summary>A filter; without a target it works on the text of a block.</summary>
internal sealed class FilterExpression(Expression? target, string name, ArgumentList arguments, int line)
    : Expression(line, target, arguments)
{
    public Expression? Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;
}

internal sealed class TestExpression(Expression target, string name, ArgumentList arguments, int line) : Expression(line, target, arguments)
{
    public Expression Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;
}

internal enum UnaryOperator
{
    Not,
    Negate,
    Plus,
}

internal sealed class UnaryExpression(UnaryOperator operation, Expression operand, int line) : Expression(line, operand)
{
    public UnaryOperator Operator { get; } = operation;

    public Expression Operand { get; } = operand;
}

/// <summary><c>+ - * / // % **</c>, by their spelling.</summary>
internal sealed class BinaryExpression(string operation, Expression left, Expression right, int line) : Expression(line, left, right)
{
    public string Operator { get; } = operation;

    public Expression Left { get; } = left;

    public Expression Right { get; } = right;
}

/// <summary><c>and</c>, <c>or</c>.</summary>
internal sealed class LogicalExpression(bool and, Expression left, Expression right, int line) : Expression(line, left, right)
{
    public bool And { get; } = and;

    public Expression Left { get; } = left;

    public Expression Right { get; } = right;
}

/// <summary>Strings joined by <c>~</c>.</summary>
internal sealed class ConcatenationExpression(Expression[] parts, int line) : Expression(line, parts)
{
    public Expression[] Parts { get; } = parts;
}

/// <summary>A chain of comparisons: <c>a &lt; b &lt; c</c>; also <c>in</c> and <c>not in</c>.</summary>
internal sealed class ComparisonExpression(Expression first, string[] operators, Expression[] operands, int line)
    : Expression(line, [first, .. operands])
{
    public Expression First { get; } = first;

    public string[] Operators { get; } = operators;

    public Expression[] Operands { get; } = operands;
}

internal sealed class ConditionalExpression(Expression test, Expression then, Expression? otherwise, int line)
    : Expression(line, test, then, otherwise)
{
    public Expression Test { get; } = test;

    public Expression Then { get; } = then;

    public Expression? Otherwise { get; } = otherwise;
}

internal abstract class Statement(int line, params ReadOnlySpan<SyntaxNode?> children) : SyntaxNode(line, children);

/// <summary>Statements in order.</summary>
internal sealed class Block(Statement[] statements, int line) : Statement(line, statements)
{
    public Statement[] Statements { get; } = statements;
}

internal sealed class DataStatement(string text, int line) : Statement(line)
{
    public string Text { get; } = text;
}

internal sealed class PrintStatement(Expression value, int line) : Statement(line, value)
{
    public Expression Value { get; } = value;
}

internal sealed class IfStatement((Expression Test, Block Body)[] branches, Block? otherwise, int line)
    : Statement(
        line, [.. Array.ConvertAll(branches, branch => branch.Test), .. Array.ConvertAll(branches, branch => branch.Body), otherwise])
{
    public (Expression Test, Block Body)[] Branches { get; } = branches;

    public Block? Otherwise { get; } = otherwise;
}

internal sealed class ForStatement(
    Expression target, Expression items, Expression? filter, bool recursive, Block body, Block? otherwise, int line)
    : Statement(line, target, items, filter, body, otherwise)
{
    public Expression Target { get; } = target;

    public Expression Items { get; } = items;

    public Expression? Filter { get; } = filter;

    public bool Recursive { get; } = recursive;

    public Block Body { get; } = body;

    public Block? Otherwise { get; } = otherwise;
}

internal sealed class BreakStatement(int line) : Statement(line);

internal sealed class ContinueStatement(int line) : Statement(line);

internal sealed class SetStatement(Expression target, Expression value, int line) : Statement(line, target, value)
{
    public Expression Target { get; } = target;

    public Expression Value { get; } = value;
}

/// <summary><c>{% set x %}…{% endset %}</c>.</summary>
internal sealed class SetBlockStatement(Expression target, Expression? filter, Block body, int line) : Statement(line, target, filter, body)
{
    public Expression Target { get; } = target;

    public Expression? Filter { get; } = filter;

    public Block Body { get; } = body;
}

internal sealed class FilterBlockStatement(Expression filter, Block body, int line) : Statement(line, filter, body)
{
    public Expression Filter { get; } = filter;

    public Block Body { get; } = body;
}

/// <summary><c>with</c>; also the tags that only open a scope here (<c>generation</c>, <c>block</c>, <c>autoescape</c>).</summary>
internal sealed class ScopeStatement(Expression[] targets, Expression[] values, Block body, int line)
    : Statement(line, [.. targets, .. values, body])
{
    public Expression[] Targets { get; } = targets;

    public Expression[] Values { get; } = values;

    public Block Body { get; } = body;
}

/// <summary>The parameters and the body of a macro or a call block.</summary>
internal sealed class MacroDefinition(string name, string[] parameters, Expression[] defaults, Block body, int line)
    : SyntaxNode(line, [.. defaults, body])
{
    public string Name { get; } = name;

    public string[] Parameters { get; } = parameters;

    /// <summary>The defaults of the last parameters.</summary>
    public Expression[] Defaults { get; } = defaults;

    public Block Body { get; } = body;

    /// <summary>Whether the body takes arguments beyond the parameters.</summary>
    public bool UsesMorePositional { get; init; }

    public bool UsesMoreNamed { get; init; }

    public bool UsesCaller { get; init; }
}

internal sealed class MacroStatement(MacroDefinition macro, int line) : Statement(line, macro)
{
    public MacroDefinition Macro { get; } = macro;
}

internal sealed class CallBlockStatement(CallExpression call, MacroDefinition caller, int line) : Statement(line, call, caller)
{
    public CallExpression Call { get; } = call;

    public MacroDefinition Caller { get; } = caller;
}

/// <summary>A parsed template and what was met in it on the way.</summary>
internal sealed record ParsedTemplate(
    Block Body, IReadOnlyList<SetStatement> Sets, IReadOnlyList<ForStatement> Loops, IReadOnlySet<string> Names);
