using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;

namespace Quire.Tokenization.Chat;

/// <summary>
/// One rendering: walks the tree and writes text. Statements here, expressions in the other half. Everything that a template can make
/// large or long is charged to a budget, and recursion is counted.
/// </summary>
internal sealed partial class TemplateEvaluator
{
    private const int RecursionMax = 1500;
    private const int StepsBetweenChecks = 1024;

    // Copying this many characters or items counts as one step.
    private const int UnitsPerStep = 16;

    private readonly ChatTemplateLimits _limits;
    private readonly CancellationToken _cancellation;
    private StringBuilder _output = new();
    private long _steps;
    private long _nextCheck = StepsBetweenChecks;
    private int _recursion;

    public TemplateEvaluator(ChatTemplateLimits limits, DateTimeOffset now, CancellationToken cancellation)
    {
        _limits = limits;
        Now = now;
        _cancellation = cancellation;
    }

    private enum Flow
    {
        Normal,
        Break,
        Continue,
    }

    public DateTimeOffset Now { get; }

    public string Render(Block body, TemplateScope scope)
    {
        Execute(body, scope);
        return _output.ToString();
    }

    /// <summary>Runs a block and returns the text that it writes.</summary>
    public string Capture(Block body, TemplateScope scope)
    {
        StringBuilder outer = _output;
        _output = new StringBuilder();
        try
        {
            Execute(body, scope);
            return _output.ToString();
        }
        finally
        {
            _output = outer;
        }
    }

    /// <summary>Charges work: one step for each 16 units copied.</summary>
    public void Charge(long units) => Spend(1 + (units / UnitsPerStep));

    /// <summary>Charges a string that is about to be made.</summary>
    public void ChargeText(long length)
    {
        CheckText(length);
        Charge(length);
    }

    /// <summary>Refuses a string that would be too long.</summary>
    public void CheckText(long length)
    {
        if (length > _limits.TextMax)
            throw TextTooLong();
    }

    /// <summary>Charges and wraps a string that was made.</summary>
    public StringValue Text(string text)
    {
        ChargeText(text.Length);
        return new StringValue(text);
    }

    private ChatTemplateException TextTooLong() =>
        new(ChatTemplateErrorKind.Limit, $"The template makes a text of more than {_limits.TextMax} characters.");

    private void Spend(long steps)
    {
        _steps += steps;
        if (_steps < _nextCheck)
            return;
        _nextCheck = _steps + StepsBetweenChecks;
        _cancellation.ThrowIfCancellationRequested();
        if (_steps > _limits.StepsMax)
            throw new ChatTemplateException(ChatTemplateErrorKind.Limit, $"The template takes more than {_limits.StepsMax} steps.");
    }

    private void Enter(int line)
    {
        Spend(1);
        if (++_recursion > RecursionMax || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException(ChatTemplateErrorKind.Limit, "maximum recursion depth exceeded", line);
    }

    private void Leave() => _recursion--;

    private void Write(string text)
    {
        CheckText((long)_output.Length + text.Length);
        Charge(text.Length);
        _output.Append(text);
    }

    private Flow Execute(Statement statement, TemplateScope scope)
    {
        Enter(statement.Line);
        Flow flow = Dispatch(statement, scope);
        Leave();
        return flow;
    }

    private Flow Dispatch(Statement statement, TemplateScope scope)
    {
        switch (statement)
        {
            case DataStatement data:
                Write(data.Text);
                return Flow.Normal;
            case PrintStatement print:
                Write(PythonText.Str(Evaluate(print.Value, scope)));
                return Flow.Normal;
            case Block block:
                return ExecuteAll(block, scope);
            case IfStatement condition:
                return ExecuteIf(condition, scope);
            case ForStatement loop:
                RunLoop(loop, Evaluate(loop.Items, scope), scope, 0);
                return Flow.Normal;
            case BreakStatement:
                return Flow.Break;
            case ContinueStatement:
                return Flow.Continue;
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value, scope), scope);
                return Flow.Normal;
            case SetBlockStatement set:
                TemplateValue text = new StringValue(Capture(set.Body, new TemplateScope(scope)));
                Assign(set.Target, set.Filter is null ? text : ApplyFilters(set.Filter, text, scope), scope);
                return Flow.Normal;
            case FilterBlockStatement filter:
                TemplateValue inner = new StringValue(Capture(filter.Body, new TemplateScope(scope)));
                Write(PythonText.Str(ApplyFilters(filter.Filter, inner, scope)));
                return Flow.Normal;
            case ScopeStatement with:
                return ExecuteScope(with, scope);
            case MacroStatement macro:
                scope.Set(macro.Macro.Name, new MacroValue(macro.Macro, scope));
                return Flow.Normal;
            case CallBlockStatement call:
                var caller = new MacroValue(call.Caller, scope);
                Write(PythonText.Str(EvaluateCall(call.Call, scope, caller)));
                return Flow.Normal;
            default:
                throw new InvalidOperationException($"The statement {statement.GetType().Name} is not known.");
        }
    }

    private Flow ExecuteAll(Block block, TemplateScope scope)
    {
        foreach (Statement statement in block.Statements)
        {
            Flow flow = Execute(statement, scope);
            if (flow != Flow.Normal)
                return flow;
        }
        return Flow.Normal;
    }

    private Flow ExecuteIf(IfStatement condition, TemplateScope scope)
    {
        foreach ((Expression test, Block body) in condition.Branches)
        {
            if (Operators.IsTrue(Evaluate(test, scope)))
                return Execute(body, scope);
        }
        return condition.Otherwise is null ? Flow.Normal : Execute(condition.Otherwise, scope);
    }

    private Flow ExecuteScope(ScopeStatement with, TemplateScope scope)
    {
        var inner = new TemplateScope(scope);
        for (int i = 0; i < with.Targets.Length; i++)
            Assign(with.Targets[i], Evaluate(with.Values[i], scope), inner);
        return Execute(with.Body, inner);
    }

    private void RunLoop(ForStatement loop, TemplateValue iterable, TemplateScope scope, int depth)
    {
        TemplateValue[] items = Operators.Items(iterable);
        Charge(items.Length);
        if (loop.Filter is not null)
            items = FilterItems(loop, items, scope);
        Func<TemplateValue, TemplateValue>? recurse = loop.Recursive ? RecurseInto : null;
        var state = new LoopValue(items, depth, recurse);
        bool ranThrough = false;
        for (int i = 0; i < items.Length; i++)
        {
            state.Index = i;
            var inner = new TemplateScope(scope);
            inner.Set("loop", state);
            Assign(loop.Target, items[i], inner);
            Flow flow = Execute(loop.Body, inner);
            ranThrough |= flow == Flow.Normal;
            if (flow == Flow.Break)
                break;
        }

        // As Jinja has it: also when every round that was begun ended with break or continue.
        if (!ranThrough && loop.Otherwise is not null)
            Execute(loop.Otherwise, new TemplateScope(scope));

        StringValue RecurseInto(TemplateValue children)
        {
            Enter(loop.Line);
            StringBuilder outer = _output;
            _output = new StringBuilder();
            try
            {
                RunLoop(loop, children, scope, depth + 1);
                return new StringValue(_output.ToString());
            }
            finally
            {
                _output = outer;
                Leave();
            }
        }
    }

    private TemplateValue[] FilterItems(ForStatement loop, TemplateValue[] items, TemplateScope scope)
    {
        var kept = new List<TemplateValue>();
        foreach (TemplateValue item in items)
        {
            var inner = new TemplateScope(scope);
            Assign(loop.Target, item, inner);
            if (Operators.IsTrue(Evaluate(loop.Filter!, inner)))
                kept.Add(item);
        }
        return kept.ToArray();
    }

    private void Assign(Expression target, TemplateValue value, TemplateScope scope)
    {
        switch (target)
        {
            case NameExpression name:
                scope.Set(name.Name, value);
                break;
            case NamespaceTarget attribute:
                if (!scope.TryGet(attribute.Name, out TemplateValue owner) || owner is not NamespaceValue space)
                {
                    throw new ChatTemplateException(
                        ChatTemplateErrorKind.Runtime, "cannot assign attribute on non-namespace object", target.Line);
                }
                space.Attributes[attribute.Attribute] = value;
                break;
            case ListExpression several:
                Unpack(several, value, scope);
                break;
            default:
                throw new InvalidOperationException($"The target {target.GetType().Name} is not known.");
        }
    }

    private void Unpack(ListExpression targets, TemplateValue value, TemplateScope scope)
    {
        if (value is not (ListValue or StringValue or DictionaryValue or UndefinedValue))
            throw TemplateErrors.Type($"cannot unpack non-iterable {value.TypeName} object");
        TemplateValue[] items = Operators.Items(value);
        int expected = targets.Items.Length;
        if (items.Length > expected)
            throw TemplateErrors.Type($"too many values to unpack (expected {expected})");
        if (items.Length < expected)
            throw TemplateErrors.Type($"not enough values to unpack (expected {expected}, got {items.Length})");
        for (int i = 0; i < expected; i++)
            Assign(targets.Items[i], items[i], scope);
    }
}
