using System;
using System.Collections.Generic;
using Quire.Engine.Intake;

namespace Quire.Server.Serving;

/// <summary>The generations of one HTTP request. Disposing it aborts those that have not ended: all parts live and die together.</summary>
internal sealed class GenerationSet : IDisposable
{
    private readonly List<IGeneration> _generations = [];

    public IReadOnlyList<IGeneration> Items => _generations;

    /// <summary>Prompt tokens, each prompt once.</summary>
    public int PromptTokens
    {
        get
        {
            int sum = 0;
            foreach (IGeneration generation in _generations)
            {
                sum += generation.PromptTokenIds.Count;
            }

            return sum;
        }
    }

    public int CachedTokens
    {
        get
        {
            int sum = 0;
            foreach (IGeneration generation in _generations)
            {
                sum += generation.Timings.CachedTokens;
            }

            return sum;
        }
    }

    /// <summary>Submits one more prompt. When it is refused, those before it are aborted by <see cref="Dispose"/>.</summary>
    public void Submit(IServedEngine engine, GenerationRequest request) => _generations.Add(engine.Submit(request));

    public void Dispose()
    {
        foreach (IGeneration generation in _generations)
        {
            generation.Dispose();
        }
    }
}
