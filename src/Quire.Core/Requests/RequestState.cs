using System;
using Quire.Core.KvCache;
using Quire.Core.Scheduling;

namespace Quire.Core.Requests;

/// <summary>
/// What the scheduler knows of a request that it admitted. Only the scheduler changes it; everybody else reads, on the thread that owns the scheduler.
/// </summary>
public sealed class RequestState
{
    /// <summary>Output tokens for which room is made at once; longer outputs grow by doubling.</summary>
    private const int ReservedOutput = 4096;

    private int[] _tokens;
    private int[] _drafts = [];

    internal RequestState(RequestSpec spec, long arrival, object? attachment, int groups = 1)
    {
        Blocks = new RequestBlocks(groups);
        Spec = spec;
        Arrival = arrival;
        Attachment = attachment;
        _tokens = spec.PromptTokenIds;
        TokenCount = _tokens.Length;
        PromptLength = _tokens.Length;
    }

    /// <summary>A copy of a request for the same tokens, under another id.</summary>
    internal RequestState(RequestState parent, RequestSpec spec, long arrival, object? attachment)
        : this(spec, arrival, attachment, parent.Blocks.Tables.Length)
    {
        _tokens = parent.Tokens.ToArray();
        TokenCount = parent.TokenCount;
        PromptLength = parent.PromptLength;
        ComputedTokens = parent.ComputedTokens;
        CachedTokens = parent.CachedTokens;
        IsFork = true;
    }

    public RequestId Id => Spec.Id;

    public RequestSpec Spec { get; }

    /// <summary>The caller's own state for this request. The scheduler never looks at it.</summary>
    public object? Attachment { get; set; }

    /// <summary>Position in the order of admission calls; breaks all ties.</summary>
    public long Arrival { get; }

    public RequestStatus Status { get; internal set; }

    /// <summary>Set exactly when <see cref="Status"/> is <see cref="RequestStatus.Finished"/>.</summary>
    public FinishReason? FinishReason { get; internal set; }

    /// <summary>The token of <see cref="RequestSpec.StopTokenIds"/> that ended the request; null when something else did (the end-of-sequence token too).</summary>
    public int? StopTokenId { get; internal set; }

    /// <summary>Prompt and output so far.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    public ReadOnlySpan<int> OutputTokens => _tokens.AsSpan(PromptLength, TokenCount - PromptLength);

    /// <summary>Known tokens: prompt and output.</summary>
    public int TokenCount { get; private set; }

    public int PromptLength { get; }

    public int OutputLength => TokenCount - PromptLength;

    /// <summary>Tokens whose keys and values are in the cache, or will be when the planned steps have run.</summary>
    public int ComputedTokens { get; internal set; }

    /// <summary>Tokens found in the prefix cache when the request was scheduled for the first time; null before.</summary>
    public int? CachedTokens { get; internal set; }

    /// <summary>How often it lost its blocks.</summary>
    public int Preemptions { get; internal set; }

    /// <summary>Draft tokens waiting to be verified by the next step.</summary>
    public ReadOnlySpan<int> Drafts => _drafts.AsSpan(0, DraftCount);

    public int DraftCount { get; private set; }

    /// <summary>Tokens that planned steps will sample and that are not known yet.</summary>
    public int UnknownTokens { get; internal set; }

    /// <summary>Planned steps that have a row of this request and are not committed.</summary>
    internal int StepsInFlight { get; set; }

    /// <summary>Copied from a running request and not in a plan yet.</summary>
    internal bool IsFork { get; set; }

    internal RequestBlocks Blocks { get; }

    // Links of the queue or the place in the heap that the request is in; see WaitingQueue.
    internal RequestState? QueueNext { get; set; }

    internal RequestState? QueuePrevious { get; set; }

    internal int QueueIndex { get; set; } = -1;

    internal WaitingQueue? Queue { get; set; }

    /// <summary>
    /// The blocks of its sequence in one group of layers, in order: token t lies in block t / blockSize; 0 stands for a block that fell behind the
    /// window. Valid until the next call of the scheduler.
    /// </summary>
    public ReadOnlySpan<int> BlockTable(int group) => Blocks.Tables[group].Blocks;

    /// <summary>Makes room for the output and its blocks, so that a running request does not allocate.</summary>
    internal void Reserve(int maxLength, int blockSize, bool withHashes)
    {
        int wanted = (int)Math.Min(maxLength, (long)PromptLength + Math.Min(Spec.MaxTokens, ReservedOutput));
        if (_tokens.Length < wanted || ReferenceEquals(_tokens, Spec.PromptTokenIds))
            Resize(Math.Max(wanted, TokenCount));
        Blocks.Reserve((_tokens.Length + blockSize - 1) / blockSize, withHashes);
    }

    /// <summary>Back to the queue: everything is to be computed again. The cache has the blocks already.</summary>
    internal void LoseBlocks()
    {
        Status = RequestStatus.Preempted;
        ComputedTokens = 0;
        UnknownTokens = 0;
        DraftCount = 0;
        Preemptions++;
    }

    internal void Append(int token)
    {
        if (TokenCount == _tokens.Length || ReferenceEquals(_tokens, Spec.PromptTokenIds))
            Resize(Math.Max(TokenCount + 1, (int)Math.Min(int.MaxValue / 2, TokenCount * 2L)));
        _tokens[TokenCount++] = token;
    }

    internal void SetDrafts(ReadOnlySpan<int> drafts)
    {
        if (_drafts.Length < drafts.Length)
            _drafts = new int[drafts.Length];
        drafts.CopyTo(_drafts);
        DraftCount = drafts.Length;
    }

    private void Resize(int capacity)
    {
        int[] larger = new int[capacity];
        Tokens.CopyTo(larger);
        _tokens = larger;
    }
}
