using System;
using System.Collections.Generic;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Quire.Tokenization.Chat;

/// <content>Expressions, from the loosest binding to the tightest.</content>
internal sealed partial class TemplateParser
{
    private Expression ParseExpression(bool conditional = true)
    {
        Enter();
        Expression expression = conditional ? ParseConditional() : ParseOr();
        Leave();
        return expression;
    }

    private Expression ParseConditional()
    {
        Enter();
        int line = Current.Line;
        int unknownBefore = _unknownNames.Count;
        Expression value = ParseOr();
        while (SkipName("if"))
        {
            Expression test = ParseOr();
            Expression? otherwise = SkipName("else") ? ParseConditional() : null;
            value = new ConditionalExpression(test, value, otherwise, line);
            line = Current.Line;
            _unknownNames.RemoveRange(unknownBefore, _unknownNames.Count - unknownBefore);
        }
        Leave();
        return value;
    }

    private Expression ParseOr()
    {
        int line = Current.Line;
        Expression left = ParseAnd();
        while (SkipName("or"))
        {
            left = new LogicalExpression(false, left, ParseAnd(), line);
            line = Current.Line;
        }
        return left;
    }

    private Expression ParseAnd()
    {
        int line = Current.Line;
        Expression left = ParseNot();
        while (SkipName("and"))
        {
            left = new LogicalExpression(true, left, ParseNot(), line);
            line = Current.Line;
        }
        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.IsName("not"))
            return ParseComparison();
        Enter();
        int line = Next().Line;
        var negated = new UnaryExpression(UnaryOperator.Not, ParseNot(), line);
        Leave();
        return negated;
    }

    private Expression ParseComparison()
    {
        int line = Current.Line;
        Expression first = ParseSum();
        List<string>? operators = null;
        List<Expression>? operands = null;
        while (true)
        {
            string operation;
            if (Current.Kind == TemplateTokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                operation = Next().Text;
            }
            else if (SkipName("in"))
            {
                operation = "in";
            }
            else if (Current.IsName("not") && Ahead.IsName("in"))
            {
                _index += 2;
                operation = "not in";
            }
            else
            {
                break;
            }
            (operators ??= []).Add(operation);
            (operands ??= []).Add(ParseSum());
        }
        return operators is null ? first : new ComparisonExpression(first, operators.ToArray(), operands!.ToArray(), line);
    }

    private Expression ParseSum()
    {
        int line = Current.Line;
        Expression left = ParseConcatenation();
        while (Current.Kind == TemplateTokenKind.Operator && Current.Text is "+" or "-")
        {
            string operation = Next().Text;
            left = new BinaryExpression(operation, left, ParseConcatenation(), line);
            line = Current.Line;
        }
        return left;
    }

    private Expression ParseConcatenation()
    {
        int line = Current.Line;
        Expression first = ParseProduct();
        if (!Current.IsOperator("~"))
            return first;
        var parts = new List<Expression> { first };
        while (SkipOperator("~"))
            parts.Add(ParseProduct());
        return new ConcatenationExpression(parts.ToArray(), line);
    }

    private Expression ParseProduct()
    {
        int line = Current.Line;
        Expression left = ParsePower();
        while (Current.Kind == TemplateTokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
        {
            string operation = Next().Text;
            left = new BinaryExpression(operation, left, ParsePower(), line);
            line = Current.Line;
        }
        return left;
    }

    private Expression ParsePower()
    {
        int line = Current.Line;
        Expression left = ParseUnary();
        while (SkipOperator("**"))
        {
            left = new BinaryExpression("**", left, ParseUnary(), line);
            line = Current.Line;
        }
        return left;
    }

    private Expression ParseUnary(bool withFilter = true)
    {
        Enter();
        int line = Current.Line;
        Expression expression;
        if (SkipOperator("-"))
            expression = new UnaryExpression(UnaryOperator.Negate, ParseUnary(withFilter: false), line);
        else if (SkipOperator("+"))
            expression = new UnaryExpression(UnaryOperator.Plus, ParseUnary(withFilter: false), line);
        else
            expression = ParsePrimary();
        expression = ParsePostfix(expression);
        if (withFilter)
            expression = ParseFilterExpression(expression);
        Leave();
        return expression;
    }

    private Expression ParsePrimary(bool withNamespace = false)
    {
        TemplateToken token = Current;
        switch (token.Kind)
        {
            case TemplateTokenKind.Name:
                _index++;
                return ParseName(token, withNamespace);
            case TemplateTokenKind.String:
                _index++;
                return new ConstantExpression(new StringValue(JoinStrings(token.Text)), token.Line);
            case TemplateTokenKind.Integer:
                _index++;
                return new ConstantExpression(new IntegerValue(ParseInteger(token)), token.Line);
            case TemplateTokenKind.Float:
                _index++;
                double number = double.Parse(token.Text.Replace("_", string.Empty, StringComparison.Ordinal), CultureInfo.InvariantCulture);
                return new ConstantExpression(new FloatValue(number), token.Line);
            default:
                break;
        }
        if (SkipOperator("("))
        {
            Expression inner = ParseTuple(parenthesized: true);
            ExpectOperator(")");
            return inner;
        }
        if (SkipOperator("["))
            return new ListExpression(ParseItems("]"), tuple: false, token.Line);
        if (SkipOperator("{"))
            return ParseDictionary(token.Line);
        throw Error($"unexpected '{token.Description}'");
    }

    // String literals side by side are one.
    private string JoinStrings(string first)
    {
        if (Current.Kind != TemplateTokenKind.String)
            return first;
        var text = new StringBuilder(first);
        while (Current.Kind == TemplateTokenKind.String)
            text.Append(Next().Text);
        return text.ToString();
    }

    private Expression ParseName(TemplateToken token, bool withNamespace)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new ConstantExpression(BooleanValue.True, token.Line);
            case "false" or "False":
                return new ConstantExpression(BooleanValue.False, token.Line);
            case "none" or "None":
                return new ConstantExpression(TemplateValue.None, token.Line);
            default:
                break;
        }
        if (withNamespace && SkipOperator("."))
            return new NamespaceTarget(token.Text, ExpectAnyName().Text, token.Line);
        _names.Add(token.Text);
        return new NameExpression(token.Text, token.Line);
    }

    private BigInteger ParseInteger(TemplateToken token)
    {
        string digits = token.Text.Replace("_", string.Empty, StringComparison.Ordinal);
        if (digits.Length > IntegerValue.DigitsMax)
            throw Error("an integer has too many digits", token.Line);
        char prefix = digits.Length > 1 ? char.ToLowerInvariant(digits[1]) : '0';
        int radix = prefix switch
        {
            'x' => 16,
            'o' => 8,
            'b' => 2,
            _ => 10,
        };
        BigInteger value = BigInteger.Zero;
        if (radix == 10)
            return BigInteger.Parse(digits, CultureInfo.InvariantCulture);
        foreach (char digit in digits.AsSpan(2))
        {
            int worth = char.IsAsciiHexDigit(digit) ? Convert.ToInt32(digit.ToString(), 16) : radix;
            value = worth < radix ? (value * radix) + worth : throw Error($"invalid integer '{token.Text}'", token.Line);
        }
        return digits.Length > 2 ? value : throw Error($"invalid integer '{token.Text}'", token.Line);
    }

    // One expression, or a tuple when commas follow.
    private Expression ParseTuple(bool conditional = true, string? endName = null, bool parenthesized = false)
    {
        int line = Current.Line;
        var items = new List<Expression>();
        bool tuple = false;
        while (true)
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (IsTupleEnd(endName))
                break;
            items.Add(ParseExpression(conditional));
            if (!Current.IsOperator(","))
                break;
            tuple = true;
        }
        if (!tuple && items.Count == 1)
            return items[0];
        if (!tuple && !parenthesized)
            throw Error($"Expected an expression, got '{Current.Description}'");
        return new ListExpression(items.ToArray(), tuple: true, line);
    }

    private bool IsTupleEnd(string? endName) =>
        Current.Kind is TemplateTokenKind.VariableEnd or TemplateTokenKind.BlockEnd || Current.IsOperator(")")
        || (endName is not null && Current.IsName(endName));

    // Names to assign to: one, or several with commas, perhaps in parentheses.
    private Expression ParseAssignTarget(string? endName, bool withNamespace = false)
    {
        Enter();
        int line = Current.Line;
        var targets = new List<Expression>();
        bool tuple = false;
        while (!IsTupleEnd(endName))
        {
            targets.Add(ParseOneTarget(withNamespace));
            if (!SkipOperator(","))
                break;
            tuple = true;
        }
        Leave();
        if (targets.Count == 0)
            throw Error($"Expected an expression, got '{Current.Description}'");
        return tuple ? new ListExpression(targets.ToArray(), tuple: true, line) : targets[0];
    }

    private Expression ParseOneTarget(bool withNamespace)
    {
        TemplateToken token = Current;
        if (SkipOperator("("))
        {
            Expression inner = ParseAssignTarget(endName: null, withNamespace);
            ExpectOperator(")");
            return inner;
        }
        if (token.Kind == TemplateTokenKind.Name && token.Text is not ("true" or "True" or "false" or "False" or "none" or "None"))
        {
            _index++;
            return withNamespace && SkipOperator(".")
                ? new NamespaceTarget(token.Text, ExpectAnyName().Text, token.Line)
                : new NameExpression(token.Text, token.Line);
        }
        if (token.Kind is TemplateTokenKind.Name or TemplateTokenKind.String or TemplateTokenKind.Integer or TemplateTokenKind.Float)
            throw Error("can't assign to 'const'");
        throw Error($"unexpected '{token.Description}'");
    }

    private Expression[] ParseItems(string close)
    {
        var items = new List<Expression>();
        while (!Current.IsOperator(close))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (Current.IsOperator(close))
                break;
            items.Add(ParseExpression());
        }
        _index++;
        return items.ToArray();
    }

    private DictionaryExpression ParseDictionary(int line)
    {
        var items = new List<Expression>();
        while (!Current.IsOperator("}"))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (Current.IsOperator("}"))
                break;
            items.Add(ParseExpression());
            ExpectOperator(":");
            items.Add(ParseExpression());
        }
        _index++;
        return new DictionaryExpression(items.ToArray(), line);
    }
}
