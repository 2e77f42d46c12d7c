using System;
using System.Collections.Generic;

namespace Quire.Tokenization.Chat;

/// <summary>
/// Cuts a template into tokens, with the white-space rules of chat templates: <c>trim_blocks</c> and <c>lstrip_blocks</c> on, one newline
/// at
/// the end of the template dropped.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=",
        "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _position;
    private int _line = 1;

    // Whether the text that comes next begins a line, which decides whether blanks before a tag are its indentation.
    private bool _lineStarting = true;

    private TemplateLexer(string source) => _source = source;

    /// <summary>The tokens up to the end or to the first mistake, which is the last token then.</summary>
    public static List<TemplateToken> Tokenize(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n'))
            source = source[..^1];
        var lexer = new TemplateLexer(source);
        try
        {
            while (lexer._position < lexer._source.Length)
                lexer.ReadTextAndTag();
            lexer.Add(TemplateTokenKind.End, string.Empty);
        }
        catch (ChatTemplateException mistake)
        {
            lexer.Add(TemplateTokenKind.Error, mistake.Message);
        }
        return lexer._tokens;
    }

    private void ReadTextAndTag()
    {
        int open = FindTag();
        if (open < 0)
        {
            AddData(_source[_position..]);
            return;
        }
        char kind = _source[open + 1];
        int after = open + 2;
        char sign = after < _source.Length ? _source[after] : '\0';
        AddDataBefore(open, sign, isBlock: kind != '{');
        _position = sign is '-' or '+' ? after + 1 : after;
        if (kind == '#')
            SkipComment();
        else if (kind == '%' && TryEnterRaw())
            ReadRaw();
        else
            ReadTag(kind == '{');
        _lineStarting = _source[_position - 1] == '\n';
    }

    // The next {{, {% or {#.
    private int FindTag()
    {
        for (int i = _source.IndexOf('{', _position); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
                return i;
        }
        return -1;
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw Error("Missing end of comment tag");
        CountLines(_source.AsSpan(_position, end - _position));
        char sign = end > _position ? _source[end - 1] : '\0';
        _position = end + 2;
        TrimAfterBlock(sign);
    }

    // After "{%" and its sign: "raw %}" turns tags off until "endraw".
    private bool TryEnterRaw()
    {
        int position = SkipBlanks(_position);
        if (!_source.AsSpan(position).StartsWith("raw"))
            return false;
        position = SkipBlanks(position + 3);
        bool trims = position < _source.Length && _source[position] == '-';
        if (trims)
            position++;
        if (!_source.AsSpan(position).StartsWith("%}"))
            return false;
        position += 2;
        if (trims)
            position = SkipBlanks(position);
        CountLines(_source.AsSpan(_position, position - _position));
        _position = position;
        _lineStarting = _source[_position - 1] == '\n';
        return true;
    }

    private void ReadRaw()
    {
        for (int open = _position; (open = _source.IndexOf("{%", open, StringComparison.Ordinal)) >= 0; open += 2)
        {
            int inner = open + 2;
            char sign = inner < _source.Length ? _source[inner] : '\0';
            int word = SkipBlanks(sign is '-' or '+' ? inner + 1 : inner);
            if (!_source.AsSpan(word).StartsWith("endraw"))
                continue;
            int close = SkipBlanks(word + 6);
            char closeSign = close < _source.Length ? _source[close] : '\0';
            if (closeSign is '-' or '+')
                close++;
            if (!_source.AsSpan(close).StartsWith("%}"))
                continue;
            AddDataBefore(open, sign, isBlock: true);
            CountLines(_source.AsSpan(open, close - open));
            _position = close + 2;
            TrimAfterBlock(closeSign);
            return;
        }
        throw Error("Missing end of raw directive");
    }

    private void ReadTag(bool variable)
    {
        Add(variable ? TemplateTokenKind.VariableBegin : TemplateTokenKind.BlockBegin, string.Empty);
        char end = variable ? '}' : '%';
        var brackets = new Stack<char>();
        while (true)
        {
            int start = SkipBlanks(_position);
            CountLines(_source.AsSpan(_position, start - _position));
            _position = start;
            if (_position >= _source.Length)
                return;
            char sign = _source[_position];
            int close = sign == '-' || (sign == '+' && !variable) ? _position + 1 : _position;
            if (brackets.Count == 0 && close + 1 < _source.Length && _source[close] == end && _source[close + 1] == '}')
            {
                Add(variable ? TemplateTokenKind.VariableEnd : TemplateTokenKind.BlockEnd, string.Empty);
                _position = close + 2;
                if (variable && sign == '-')
                    TrimBlanks();
                else if (!variable)
                    TrimAfterBlock(sign);
                return;
            }
            ReadToken(brackets);
        }
    }

    private void ReadToken(Stack<char> brackets)
    {
        char first = _source[_position];
        if (char.IsAsciiDigit(first))
            ReadNumber();
        else if (first == '_' || char.IsLetter(first))
            ReadName();
        else if (first is '\'' or '"')
            ReadString(first);
        else
            ReadOperator(brackets);
    }

    private void ReadName()
    {
        int end = _position;
        while (end < _source.Length && (char.IsLetterOrDigit(_source[end]) || _source[end] == '_'))
            end++;
        Take(TemplateTokenKind.Name, end);
    }

    private void ReadNumber()
    {
        int end = SkipDigits(_position);
        bool real = false;
        // A number after a dot is an index ("a.0.1"), never a float.
        bool afterDot = _position > 0 && _source[_position - 1] == '.';
        if (!afterDot && end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            real = true;
            end = SkipDigits(end + 1);
        }
        if (!afterDot && end < _source.Length && _source[end] is 'e' or 'E')
        {
            int power = end + 1 < _source.Length && _source[end + 1] is '+' or '-' ? end + 2 : end + 1;
            if (power < _source.Length && char.IsAsciiDigit(_source[power]))
            {
                real = true;
                end = SkipDigits(power);
            }
        }
        bool zero = !real && end == _position + 1 && _source[_position] == '0';
        if (zero && end < _source.Length && _source[end] is 'x' or 'X' or 'o' or 'O' or 'b' or 'B')
        {
            while (end < _source.Length && (char.IsAsciiLetterOrDigit(_source[end]) || _source[end] == '_'))
                end++;
        }
        Take(real ? TemplateTokenKind.Float : TemplateTokenKind.Integer, end);
    }

    private int SkipDigits(int position)
    {
        while (position < _source.Length && (char.IsAsciiDigit(_source[position])
            || (_source[position] == '_' && position + 1 < _source.Length && char.IsAsciiDigit(_source[position + 1]))))
            position++;
        return position;
    }

    private void ReadString(char quote)
    {
        int end = _position + 1;
        while (end < _source.Length && _source[end] != quote)
            end += _source[end] == '\\' ? 2 : 1;
        if (end >= _source.Length)
            throw Error($"unexpected char {PythonText.Repr(new StringValue(quote.ToString()))} at {_position}");
        string value = StringLiteral.Unescape(_source.AsSpan(_position + 1, end - _position - 1), _line);
        Add(TemplateTokenKind.String, value);
        CountLines(_source.AsSpan(_position, end - _position));
        _position = end + 1;
    }

    private void ReadOperator(Stack<char> brackets)
    {
        ReadOnlySpan<char> rest = _source.AsSpan(_position);
        foreach (string operation in Operators)
        {
            if (!rest.StartsWith(operation, StringComparison.Ordinal))
                continue;
            Balance(operation[0], brackets);
            Take(TemplateTokenKind.Operator, _position + operation.Length);
            return;
        }
        string character = PythonText.Characters(_source[_position..Math.Min(_source.Length, _position + 2)])[0];
        throw Error($"unexpected char {PythonText.Repr(new StringValue(character))} at {_position}");
    }

    private void Balance(char operation, Stack<char> brackets)
    {
        switch (operation)
        {
            case '(':
                brackets.Push(')');
                break;
            case '[':
                brackets.Push(']');
                break;
            case '{':
                brackets.Push('}');
                break;
            case ')' or ']' or '}':
                if (brackets.Count == 0)
                    throw Error($"unexpected '{operation}'");
                char expected = brackets.Pop();
                if (expected != operation)
                    throw Error($"unexpected '{operation}', expected '{expected}'");
                break;
            default:
                break;
        }
    }

    // "-%}" takes all white space behind it, "%}" one newline, "+%}" nothing.
    private void TrimAfterBlock(char sign)
    {
        if (sign == '-')
        {
            TrimBlanks();
        }
        else if (sign != '+' && _position < _source.Length && _source[_position] == '\n')
        {
            _position++;
            _line++;
        }
    }

    private void TrimBlanks()
    {
        int end = SkipBlanks(_position);
        CountLines(_source.AsSpan(_position, end - _position));
        _position = end;
    }

    private int SkipBlanks(int position)
    {
        while (position < _source.Length && PythonText.IsSpace(_source[position]))
            position++;
        return position;
    }

    // The text before a tag: "-" takes all white space at its end, a block tag the blanks that indent it.
    private void AddDataBefore(int open, char sign, bool isBlock)
    {
        string text = _source[_position..open];
        int lineOfText = text.LastIndexOf('\n') + 1;
        bool indents = isBlock && sign != '+' && (lineOfText > 0 || _lineStarting) && IsBlank(text.AsSpan(lineOfText));
        string kept = sign == '-' ? PythonText.Strip(text, null, left: false, right: true) : indents ? text[..lineOfText] : text;
        AddData(kept);
        CountLines(text.AsSpan(kept.Length));
    }

    private static bool IsBlank(ReadOnlySpan<char> text)
    {
        foreach (char character in text)
        {
            if (!PythonText.IsSpace(character))
                return false;
        }
        return text.Length > 0;
    }

    private void AddData(string text)
    {
        if (text.Length > 0)
            Add(TemplateTokenKind.Data, text);
        CountLines(text);
        _position += text.Length;
    }

    private void Take(TemplateTokenKind kind, int end)
    {
        Add(kind, _source[_position..end]);
        _position = end;
    }

    private void Add(TemplateTokenKind kind, string text) => _tokens.Add(new TemplateToken(kind, text, _line));

    private void CountLines(ReadOnlySpan<char> text)
    {
        foreach (char character in text)
        {
            if (character == '\n')
                _line++;
        }
    }

    private ChatTemplateException Error(string message) => new(ChatTemplateErrorKind.Syntax, message, _line);
}
