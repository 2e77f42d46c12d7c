using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Builds the tree of a template: statements here, expressions in the other half. Follows the grammar and the error messages of Jinja 3.1,
/// with the loop controls and the <c>generation</c> tag of chat templates.
/// </summary>
internal sealed partial class TemplateParser
{
    private const int NestingMax = 300;

    private readonly List<TemplateToken> _tokens;
    private readonly List<string[]> _endTags = [];
    private readonly List<string> _openTags = [];
    private readonly List<SetStatement> _sets = [];
    private readonly List<ForStatement> _loops = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private int _index;
    private int _nesting;
    private int _loopNesting;

    // Inside a condition an unknown filter or test is an error only when it is reached. These are not, or not known to be, inside one.
    private readonly List<ChatTemplateException> _unknownNames = [];
    private int _conditionNesting;

    private TemplateParser(List<TemplateToken> tokens) => _tokens = tokens;

    private TemplateToken Current
    {
        get
        {
            TemplateToken token = _tokens[_index];
            return token.Kind == TemplateTokenKind.Error
                ? throw new ChatTemplateException(ChatTemplateErrorKind.Syntax, token.Text, token.Line)
                : token;
        }
    }

    private TemplateToken Ahead => _tokens[Math.Min(_index + 1, _tokens.Count - 1)];

    /// <exception cref="ChatTemplateException">The template is not valid; the error has its line.</exception>
    public static ParsedTemplate Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Tokenize(source));
        Block body = parser.ParseBody(null);
        return new ParsedTemplate(body, parser._sets, parser._loops, parser._names);
    }

    private TemplateToken Next()
    {
        TemplateToken token = Current;
        if (token.Kind != TemplateTokenKind.End)
            _index++;
        return token;
    }

    private bool SkipName(string name)
    {
        if (!Current.IsName(name))
            return false;
        _index++;
        return true;
    }

    private bool SkipOperator(string operation)
    {
        if (!Current.IsOperator(operation))
            return false;
        _index++;
        return true;
    }

    private TemplateToken ExpectOperator(string operation) =>
        Current.IsOperator(operation) ? Next() : throw Unexpected($"'{operation}'");

    private TemplateToken ExpectName(string name) => Current.IsName(name) ? Next() : throw Unexpected($"'{name}'");

    private TemplateToken ExpectAnyName() => Current.Kind == TemplateTokenKind.Name ? Next() : throw Unexpected("'name'");

    private void ExpectKind(TemplateTokenKind kind, string description)
    {
        if (Current.Kind != kind)
            throw Unexpected($"'{description}'");
        _index++;
    }

    private ChatTemplateException Unexpected(string expected) => Current.Kind == TemplateTokenKind.End
        ? Error($"unexpected end of template, expected {expected}.")
        : Error($"expected token {expected}, got '{Current.Description}'");

    private ChatTemplateException Error(string message, int? line = null) =>
        new(ChatTemplateErrorKind.Syntax, message, line ?? Current.Line);

    private void Enter()
    {
        if (++_nesting <= NestingMax)
            return;
        throw new ChatTemplateException(
            ChatTemplateErrorKind.Limit, $"The template is nested more than {NestingMax} deep.", Current.Line);
    }

    private void Leave() => _nesting--;

    // Statements up to one of the end tags, which becomes the current token.
    private Block ParseBody(string[]? endTags)
    {
        Enter();
        if (endTags is not null)
            _endTags.Add(endTags);
        int line = Current.Line;
        var statements = new List<Statement>();
        while (Current.Kind != TemplateTokenKind.End)
        {
            TemplateToken token = Next();
            switch (token.Kind)
            {
                case TemplateTokenKind.Data:
                    statements.Add(new DataStatement(token.Text, token.Line));
                    continue;
                case TemplateTokenKind.VariableBegin:
                    statements.Add(new PrintStatement(ParseTuple(), token.Line));
                    ExpectKind(TemplateTokenKind.VariableEnd, "end of print statement");
                    RefuseUnknownNames();
                    continue;
                default:
                    break;
            }
            if (endTags is not null && Current.Kind == TemplateTokenKind.Name && Array.IndexOf(endTags, Current.Text) >= 0)
            {
                _endTags.RemoveAt(_endTags.Count - 1);
                Leave();
                return new Block(statements.ToArray(), line);
            }
            statements.Add(ParseStatement());
            ExpectKind(TemplateTokenKind.BlockEnd, "end of statement block");
            RefuseUnknownNames();
        }
        if (endTags is not null)
            throw EndMissing(null, Current.Line);
        Leave();
        return new Block(statements.ToArray(), line);
    }

    private void RefuseUnknownNames()
    {
        if (_unknownNames.Count > 0)
            throw _unknownNames[0];
    }

    // The body of a tag, from the end of the opening tag on.
    private Block ParseTagBody(params string[] endTags)
    {
        SkipOperator(":");
        ExpectKind(TemplateTokenKind.BlockEnd, "end of statement block");
        return ParseBody(endTags);
    }

    private Block ParseTagBodyTo(string endTag)
    {
        Block body = ParseTagBody(endTag);
        _index++;
        return body;
    }

    private Statement ParseStatement()
    {
        TemplateToken tag = Current;
        if (tag.Kind != TemplateTokenKind.Name)
            throw Error("tag name expected");
        _openTags.Add(tag.Text);
        _index++;
        Statement statement = tag.Text switch
        {
            "for" => ParseFor(tag.Line),
            "if" => ParseIf(tag.Line),
            "set" => ParseSet(tag.Line),
            "macro" => ParseMacro(tag.Line),
            "call" => ParseCallBlock(tag.Line),
            "filter" => ParseFilterBlock(tag.Line),
            "with" => ParseWith(tag.Line),
            "print" => ParsePrint(tag.Line),
            "break" or "continue" => ParseLoopControl(tag),
            "generation" => new ScopeStatement([], [], ParseTagBodyTo("endgeneration"), tag.Line),
            "autoescape" => ParseAutoescape(tag.Line),
            "block" or "extends" or "include" or "import" or "from" =>
                throw Error($"the tag '{tag.Text}' is not supported in chat templates", tag.Line),
            _ => throw UnknownTag(tag),
        };
        _openTags.RemoveAt(_openTags.Count - 1);
        return statement;
    }

    private ChatTemplateException UnknownTag(TemplateToken tag)
    {
        _openTags.RemoveAt(_openTags.Count - 1);
        return EndMissing(tag.Text, tag.Line);
    }

    // Jinja's explanation of a tag that is unknown or of a body that does not end.
    private ChatTemplateException EndMissing(string? tag, int line)
    {
        string message = tag is null ? "Unexpected end of template." : $"Encountered unknown tag '{tag}'.";
        if (_endTags.Count > 0)
        {
            string looking = string.Join(" or ", Array.ConvertAll(_endTags[^1], name => $"'{name}'"));
            bool misplaced = tag is not null && _endTags.Exists(tags => Array.IndexOf(tags, tag) >= 0);
            message += misplaced
                ? $" You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {looking}."
                : $" Jinja was looking for the following tags: {looking}.";
        }
        if (_openTags.Count > 0)
            message += $" The innermost block that needs to be closed is '{_openTags[^1]}'.";
        return Error(message, line);
    }

    private ForStatement ParseFor(int line)
    {
        Expression target = ParseAssignTarget("in");
        ExpectName("in");
        Expression items = ParseTuple(conditional: false, endName: "recursive");
        Expression? filter = SkipName("if") ? ParseExpression() : null;
        bool recursive = SkipName("recursive");
        _loopNesting++;
        Block body = ParseTagBody("endfor", "else");
        _loopNesting--;
        Block? otherwise = Next().Text == "else" ? ParseTagBodyTo("endfor") : null;
        var loop = new ForStatement(target, items, filter, recursive, body, otherwise, line);
        _loops.Add(loop);
        return loop;
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression Test, Block Body)>();
        Block? otherwise = null;
        _conditionNesting++;
        while (true)
        {
            Expression test = ParseTuple(conditional: false);
            branches.Add((test, ParseTagBody("elif", "else", "endif")));
            string end = Next().Text;
            if (end == "elif")
                continue;
            if (end == "else")
                otherwise = ParseTagBodyTo("endif");
            break;
        }
        _conditionNesting--;
        return new IfStatement(branches.ToArray(), otherwise, line);
    }

    private Statement ParseSet(int line)
    {
        Expression target = ParseAssignTarget(endName: null, withNamespace: true);
        if (SkipOperator("="))
        {
            var set = new SetStatement(target, ParseTuple(), line);
            _sets.Add(set);
            return set;
        }
        Expression? filter = Current.IsOperator("|") ? ParseFilters(null) : null;
        return new SetBlockStatement(target, filter, ParseTagBodyTo("endset"), line);
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = ExpectAnyName().Text;
        (string[] parameters, Expression[] defaults) = ParseSignature();
        return new MacroStatement(ParseMacroBody(name, parameters, defaults, "endmacro", line), line);
    }

    // Which of the implicit variables the body reads decides which arguments the macro takes.
    private MacroDefinition ParseMacroBody(string name, string[] parameters, Expression[] defaults, string endTag, int line)
    {
        string[] implicitNames = ["varargs", "kwargs", "caller"];
        bool[] before = Array.ConvertAll(implicitNames, _names.Remove);
        int loopNesting = _loopNesting;
        _loopNesting = 0;
        Block body = ParseTagBodyTo(endTag);
        _loopNesting = loopNesting;
        bool[] used = Array.ConvertAll(implicitNames, _names.Contains);
        for (int i = 0; i < implicitNames.Length; i++)
        {
            if (before[i])
                _names.Add(implicitNames[i]);
        }
        return new MacroDefinition(name, parameters, defaults, body, line)
        {
            UsesMorePositional = used[0],
            UsesMoreNamed = used[1],
            UsesCaller = used[2],
        };
    }

    private (string[] Parameters, Expression[] Defaults) ParseSignature()
    {
        var parameters = new List<string>();
        var defaults = new List<Expression>();
        ExpectOperator("(");
        while (!Current.IsOperator(")"))
        {
            if (parameters.Count > 0)
                ExpectOperator(",");
            parameters.Add(ExpectAnyName().Text);
            if (SkipOperator("="))
                defaults.Add(ParseExpression());
            else if (defaults.Count > 0)
                throw Error("non-default argument follows default argument");
        }
        _index++;
        return (parameters.ToArray(), defaults.ToArray());
    }

    private CallBlockStatement ParseCallBlock(int line)
    {
        (string[] parameters, Expression[] defaults) = Current.IsOperator("(") ? ParseSignature() : ([], []);
        if (ParseExpression() is not CallExpression call)
            throw Error("expected call", line);
        return new CallBlockStatement(call, ParseMacroBody("caller", parameters, defaults, "endcall", line), line);
    }

    private FilterBlockStatement ParseFilterBlock(int line)
    {
        Expression filter = ParseFilters(ParseFilter(null));
        return new FilterBlockStatement(filter, ParseTagBodyTo("endfilter"), line);
    }

    private ScopeStatement ParseWith(int line)
    {
        var targets = new List<Expression>();
        var values = new List<Expression>();
        while (Current.Kind != TemplateTokenKind.BlockEnd)
        {
            if (targets.Count > 0)
                ExpectOperator(",");
            targets.Add(ParseAssignTarget(endName: null));
            ExpectOperator("=");
            values.Add(ParseExpression());
        }
        return new ScopeStatement(targets.ToArray(), values.ToArray(), ParseTagBodyTo("endwith"), line);
    }

    private ScopeStatement ParseAutoescape(int line)
    {
        // Nothing is escaped here, whatever the tag says: chat templates render text, not HTML.
        ParseExpression();
        return new ScopeStatement([], [], ParseTagBodyTo("endautoescape"), line);
    }

    private Block ParsePrint(int line)
    {
        var statements = new List<Statement>();
        while (Current.Kind != TemplateTokenKind.BlockEnd)
        {
            if (statements.Count > 0)
                ExpectOperator(",");
            statements.Add(new PrintStatement(ParseExpression(), line));
        }
        return new Block(statements.ToArray(), line);
    }

    private Statement ParseLoopControl(TemplateToken tag)
    {
        if (_loopNesting == 0)
            throw Error($"'{tag.Text}' outside loop", tag.Line);
        return tag.Text == "break" ? new BreakStatement(tag.Line) : new ContinueStatement(tag.Line);
    }
}
