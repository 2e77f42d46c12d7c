using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <content>What follows a value: attributes, subscripts, calls, filters and tests.</content>
internal sealed partial class TemplateParser
{
    private Expression ParsePostfix(Expression expression)
    {
        while (Current.Kind == TemplateTokenKind.Operator)
        {
            TemplateToken token = Current;
            if (SkipOperator("."))
                expression = ParseAttribute(expression, token.Line);
            else if (SkipOperator("["))
                expression = new ItemExpression(expression, ParseSubscript(token.Line), token.Line);
            else if (token.Text == "(")
                expression = new CallExpression(expression, ParseArguments(), token.Line);
            else
                break;
        }
        return expression;
    }

    private Expression ParseAttribute(Expression target, int line)
    {
        TemplateToken name = Next();
        return name.Kind switch
        {
            TemplateTokenKind.Name => new AttributeExpression(target, name.Text, line),
            TemplateTokenKind.Integer => new ItemExpression(
                target, new ConstantExpression(new IntegerValue(ParseInteger(name)), name.Line), line),
            _ => throw Error("expected name or number", name.Line),
        };
    }

    private Expression ParseSubscript(int line)
    {
        var keys = new List<Expression>();
        while (!Current.IsOperator("]"))
        {
            if (keys.Count > 0)
                ExpectOperator(",");
            keys.Add(ParseSubscriptPart());
        }
        _index++;
        return keys.Count == 1 ? keys[0] : new ListExpression(keys.ToArray(), tuple: true, line);
    }

    private Expression ParseSubscriptPart()
    {
        int line = Current.Line;
        Expression? start = null;
        if (!Current.IsOperator(":"))
        {
            start = ParseExpression();
            if (!Current.IsOperator(":"))
                return start;
        }
        _index++;
        Expression? stop = IsSlicePartEnd() || Current.IsOperator(":") ? null : ParseExpression();
        Expression? step = SkipOperator(":") && !IsSlicePartEnd() ? ParseExpression() : null;
        return new SliceExpression(start, stop, step, line);
    }

    private bool IsSlicePartEnd() => Current.IsOperator("]") || Current.IsOperator(",");

    private ArgumentList ParseArguments()
    {
        int line = ExpectOperator("(").Line;
        var positional = new List<Expression>();
        var named = new List<(string Name, Expression Value)>();
        Expression? morePositional = null;
        Expression? moreNamed = null;
        bool comma = false;
        while (!Current.IsOperator(")"))
        {
            if (comma)
                ExpectOperator(",");
            if (Current.IsOperator(")"))
                break;
            comma = true;
            if (SkipOperator("*"))
            {
                Ensure(morePositional is null && moreNamed is null, line);
                morePositional = ParseExpression();
            }
            else if (SkipOperator("**"))
            {
                Ensure(moreNamed is null, line);
                moreNamed = ParseExpression();
            }
            else if (Current.Kind == TemplateTokenKind.Name && Ahead.IsOperator("="))
            {
                Ensure(moreNamed is null, line);
                string name = Next().Text;
                _index++;
                named.Add((name, ParseExpression()));
            }
            else
            {
                Ensure(morePositional is null && moreNamed is null && named.Count == 0, line);
                positional.Add(ParseExpression());
            }
        }
        _index++;
        return new ArgumentList(positional.ToArray(), named.ToArray(), morePositional, moreNamed, line);
    }

    private void Ensure(bool valid, int line)
    {
        if (!valid)
            throw Error("invalid syntax for function call expression", line);
    }

    private Expression ParseFilterExpression(Expression expression)
    {
        while (true)
        {
            TemplateToken token = Current;
            if (token.IsOperator("|"))
                expression = ParseFilters(expression)!;
            else if (token.IsName("is"))
                expression = ParseTest(expression);
            else if (token.IsOperator("("))
                expression = new CallExpression(expression, ParseArguments(), token.Line);
            else
                return expression;
        }
    }

    private Expression ParseFilters(Expression? target)
    {
        while (SkipOperator("|"))
            target = ParseFilter(target);
        return target!;
    }

    private FilterExpression ParseFilter(Expression? target)
    {
        TemplateToken token = ExpectAnyName();
        string name = ParseDotted(token.Text);
        ArgumentList arguments = Current.IsOperator("(") ? ParseArguments() : new ArgumentList([], [], null, null, token.Line);
        if (_conditionNesting == 0 && !TemplateFilters.Exists(name))
            _unknownNames.Add(Error($"No filter named '{name}'.", token.Line));
        return new FilterExpression(target, name, arguments, token.Line);
    }

    private Expression ParseTest(Expression target)
    {
        int line = Next().Line;
        bool negated = SkipName("not");
        string name = ParseDotted(ExpectAnyName().Text);
        ArgumentList arguments;
        if (Current.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (BeginsTestArgument())
        {
            if (Current.IsName("is"))
                throw Error("You cannot chain multiple tests with is");
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null, line);
        }
        else
        {
            arguments = new ArgumentList([], [], null, null, line);
        }
        if (_conditionNesting == 0 && !TemplateTests.Exists(name))
            _unknownNames.Add(Error($"No test named '{name}'.", line));
        Expression test = new TestExpression(target, name, arguments, line);
        return negated ? new UnaryExpression(UnaryOperator.Not, test, line) : test;
    }

    private string ParseDotted(string name)
    {
        while (SkipOperator("."))
            name += "." + ExpectAnyName().Text;
        return name;
    }

    private bool BeginsTestArgument() => Current.Kind switch
    {
        TemplateTokenKind.Name => Current.Text is not ("else" or "or" or "and"),
        TemplateTokenKind.String or TemplateTokenKind.Integer or TemplateTokenKind.Float => true,
        TemplateTokenKind.Operator => Current.Text is "[" or "{",
        _ => false,
    };
}
