namespace Quire.Cpu;

/// <summary>Work on numbered items that threads can share: the arguments of a kernel, kept on the caller's stack.</summary>
internal interface IPoolJob<TSelf>
    where TSelf : unmanaged, IPoolJob<TSelf>
{
    /// <summary>Does the items [begin, end). Called on several threads at once with ranges that do not overlap.</summary>
    /// <param name="job">The arguments, shared by all threads.</param>
    /// <param name="worker">Which worker runs this, 0 for the calling thread: the index of its scratch memory.</param>
    /// <param name="begin">First item.</param>
    /// <param name="end">End of the items.</param>
    static abstract void Execute(ref readonly TSelf job, int worker, int begin, int end);
}
