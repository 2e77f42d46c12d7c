namespace Quire.Engine.Options;

/// <summary>A mistake in the configuration, as a value.</summary>
/// <param name="Code">One of <see cref="ErrorCodes"/>.</param>
/// <param name="Option">The option at fault, by its snake_case name.</param>
/// <param name="Message">One line: what is wrong, the value, the limit, what to do.</param>
public sealed record OptionProblem(string Code, string Option, string Message);
