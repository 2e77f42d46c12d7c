namespace Quire.Tensors;

/// <summary>What a device did while its clock ran, by its own time.</summary>
/// <param name="Steps">Steps that were measured.</param>
/// <param name="BusySeconds">From the beginning of each step to its end.</param>
/// <param name="IdleSeconds">From the end of each step to the beginning of the next one.</param>
public readonly record struct DeviceTimes(long Steps, double BusySeconds, double IdleSeconds)
{
    /// <summary>The part of the time in which the device had no step, 0 to 1; 0 before two steps were measured.</summary>
    public double IdleShare => BusySeconds + IdleSeconds > 0 ? IdleSeconds / (BusySeconds + IdleSeconds) : 0;
}

/// <summary>
/// Measures how long a device works on steps and how long it waits for the next one. Marks are queued like operations, so the host does not
/// wait; a clock that does not run costs nothing. <see cref="Begin"/> and <see cref="End"/> are called by the thread that calls operations.
/// </summary>
public interface IStepClock
{
    /// <summary>Forgets what was measured and measures from now on. Any thread.</summary>
    void Start();

    /// <summary>Stops, waits for the steps that were marked, and gives what was measured. Any thread.</summary>
    DeviceTimes Stop();

    /// <summary>What is called from now on belongs to a new step.</summary>
    void Begin();

    /// <summary>The step ends with what was called last. Without an open step nothing happens.</summary>
    void End();
}
