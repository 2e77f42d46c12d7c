using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Quire.Models;
using Quire.Models.Lora;
using Quire.Tensors;

namespace Quire.Engine.Lora;

/// <summary>An adapter that requests may name.</summary>
/// <param name="Request">Name, path as it was given, and parent.</param>
/// <param name="Rank">r of its configuration.</param>
/// <param name="Created">When it was loaded.</param>
public sealed record LoraAdapterInfo(LoraRequest Request, int Rank, DateTimeOffset Created);

/// <summary>
/// The adapters of an engine by name. Any thread may load, unload and look up while requests run: a request keeps the version of the
/// adapter that it was accepted with to its end.
/// </summary>
public sealed class LoraRegistry
{
    private const int LongestName = 256;

    private readonly Lock _lock = new();
    private readonly Lock _loading = new();
    private readonly Dictionary<string, (LoraEntry Entry, LoraAdapterInfo Info)> _byName = new(StringComparer.Ordinal);
    private readonly List<LoraEntry> _open = [];
    private readonly LoraCache _cache;
    private readonly LoraTargets _targets;
    private readonly DType _type;
    private readonly int _maxRank;
    private readonly IReadOnlyList<string> _modelNames;
    private long _lastId;

    /// <param name="bank">The slots that adapters must fit.</param>
    /// <param name="maxCpuLoras">Most adapters in host memory.</param>
    /// <param name="modelNames">Names that are taken.</param>
    internal LoraRegistry(LoraBank bank, int maxCpuLoras, IReadOnlyList<string> modelNames)
    {
        _targets = bank.Targets;
        _type = bank.Type;
        _maxRank = bank.MaxRank;
        _modelNames = modelNames;
        MaxLoras = bank.Slots;
        _cache = new LoraCache(maxCpuLoras);
    }

    /// <summary>max_loras: adapters in one step.</summary>
    public int MaxLoras { get; }

    /// <summary>The adapters, in the order in which they were loaded.</summary>
    public IReadOnlyList<LoraAdapterInfo> Loaded
    {
        get
        {
            lock (_lock)
            {
                return [.. _byName.Values.OrderBy(static each => each.Info.Created).Select(static each => each.Info)];
            }
        }
    }

    /// <summary>Adapters in host memory.</summary>
    public int Resident
    {
        get
        {
            lock (_lock)
            {
                return _cache.Count;
            }
        }
    }

    public bool Contains(string name)
    {
        lock (_lock)
        {
            return _byName.ContainsKey(name);
        }
    }

    /// <summary>Reads an adapter and lets requests name it.</summary>
    /// <param name="request">Name and folder.</param>
    /// <param name="inPlace">Whether an adapter of that name is replaced; requests that it has go on with the old one.</param>
    /// <param name="root">Folder that the adapter must lie in, symbolic links followed; null for any.</param>
    /// <exception cref="QuireException">
    /// The name is taken or cannot be one (<see cref="ErrorKind.Request"/>), there is nothing at the path (<see cref="ErrorKind.NotFound"/>),
    /// or the adapter does not fit.
    /// </exception>
    public void Load(LoraRequest request, bool inPlace = false, string? root = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        string folder = LoraFiles.Resolve(request.Path, root);

        // One at a time, so that many callers cannot fill the memory with adapters that are being read.
        lock (_loading)
        {
            CheckName(request.Name, inPlace);
            LoadOne(request, folder);
        }
    }

    /// <summary>Takes a name away; requests that were accepted with it go on. False when there is no such adapter.</summary>
    public bool Unload(string name)
    {
        while (true)
        {
            Retain(name);
            lock (_lock)
            {
                if (!NeedsWeights(name))
                {
                    return Forget(name);
                }
            }
        }
    }

    /// <summary>Names of the adapters whose requests wait, or run.</summary>
    public IReadOnlyList<string> Active(bool running)
    {
        lock (_lock)
        {
            return [.. _open.Where(entry => (running ? entry.Running : entry.Waiting) > 0).Select(static entry => entry.Name).Distinct().Order(StringComparer.Ordinal)];
        }
    }

    /// <summary>The entry that a request means.</summary>
    /// <exception cref="QuireException">There is none of that name.</exception>
    internal LoraEntry Find(string name)
    {
        lock (_lock)
        {
            return _byName.TryGetValue(name, out (LoraEntry Entry, LoraAdapterInfo Info) found)
                ? found.Entry
                : throw new QuireException(ErrorCodes.UnknownModel, ErrorKind.NotFound, $"there is no LoRA adapter '{name}'", "lora");
        }
    }

    /// <summary>Notes that sequences need an entry, and brings its weights to host memory, so that the engine need not wait for a disk.</summary>
    /// <exception cref="QuireException">Its files are gone or have changed.</exception>
    internal void Hold(LoraEntry entry, int sequences)
    {
        lock (_lock)
        {
            if (entry.Open == 0)
            {
                _open.Add(entry);
            }

            entry.Open += sequences;
        }

        try
        {
            LoraAdapter weights = Weights(entry);
            lock (_lock)
            {
                // It may have been unloaded in the meantime, and its files may go.
                entry.Retained = IsRegistered(entry) ? null : weights;
            }
        }
        catch (QuireException)
        {
            Release(entry, sequences);
            throw;
        }
    }

    /// <summary>Notes that sequences have ended.</summary>
    internal void Release(LoraEntry entry, int sequences)
    {
        lock (_lock)
        {
            entry.Open -= sequences;
            if (entry.Open == 0)
            {
                _open.Remove(entry);
                entry.Retained = null;
                if (!IsRegistered(entry))
                {
                    _cache.Remove(entry);
                }
            }
        }
    }

    /// <summary>The weights of an entry, from host memory if they are there, else from its files.</summary>
    /// <exception cref="QuireException">The files are gone or have changed; the entry is of no use any more.</exception>
    internal LoraAdapter Weights(LoraEntry entry)
    {
        if (entry.Failure is { } failure)
        {
            throw failure;
        }

        lock (_lock)
        {
            if ((entry.Retained ?? _cache.Use(entry)) is { } there)
            {
                return there;
            }
        }

        LoraAdapter read;
        try
        {
            if (LoraFiles.Of(entry.Files.Folder) != entry.Files)
            {
                throw new QuireException(ErrorCodes.BadAdapter, ErrorKind.Request,
                    $"the files of the LoRA adapter '{entry.Name}' have changed since it was loaded; load it again", "model");
            }

            read = Read(entry.Request, entry.Files.Folder);
        }
        catch (QuireException lost)
        {
            lock (_lock)
            {
                // The files may have gone because the entry was unloaded while they were read; then its weights were kept.
                if ((entry.Retained ?? _cache.Use(entry)) is { } kept)
                {
                    return kept;
                }

                entry.Failure = lost;
            }

            throw;
        }

        lock (_lock)
        {
            _cache.Add(entry, read);
        }

        return read;
    }

    private void LoadOne(LoraRequest request, string folder)
    {
        LoraFiles files = LoraFiles.Of(folder);
        LoraAdapter adapter = Read(request, files.Folder);
        while (true)
        {
            Retain(request.Name);
            lock (_lock)
            {
                if (NeedsWeights(request.Name))
                {
                    continue;
                }

                Forget(request.Name);
                var entry = new LoraEntry(request, ++_lastId, files);
                _byName.Add(request.Name, (entry, new LoraAdapterInfo(request, adapter.Config.Rank, DateTimeOffset.UtcNow)));
                _cache.Add(entry, adapter);
                return;
            }
        }
    }

    /// <summary>With the lock.</summary>
    private bool IsRegistered(LoraEntry entry) =>
        _byName.TryGetValue(entry.Name, out (LoraEntry Entry, LoraAdapterInfo Info) found) && found.Entry == entry;

    /// <summary>With the lock: whether requests need an entry whose weights are not in host memory, so that it must not go yet.</summary>
    private bool NeedsWeights(string name) =>
        _byName.TryGetValue(name, out (LoraEntry Entry, LoraAdapterInfo Info) found)
        && found.Entry is { Open: > 0, Failure: null, Retained: null } && _cache.Use(found.Entry) is null;

    /// <summary>
    /// Before an entry goes: keeps its weights at hand for the requests that still need them, since its files may go with it.
    /// </summary>
    private void Retain(string name)
    {
        LoraEntry entry;
        lock (_lock)
        {
            if (!_byName.TryGetValue(name, out (LoraEntry Entry, LoraAdapterInfo Info) found) || found.Entry.Open == 0)
            {
                return;
            }

            entry = found.Entry;
        }

        try
        {
            LoraAdapter weights = Weights(entry);
            lock (_lock)
            {
                entry.Retained = entry.Open > 0 ? weights : null;
            }
        }
        catch (QuireException)
        {
            // They are lost already; those requests end with that error.
        }
    }

    /// <summary>With the lock: removes an entry by name.</summary>
    private bool Forget(string name)
    {
        if (!_byName.Remove(name, out (LoraEntry Entry, LoraAdapterInfo Info) found))
        {
            return false;
        }

        if (found.Entry.Open > 0)
        {
            found.Entry.Retained ??= _cache.Use(found.Entry);
        }

        _cache.Remove(found.Entry);
        return true;
    }

    private LoraAdapter Read(LoraRequest request, string folder)
    {
        try
        {
            return LoraAdapterReader.Load(folder, _targets, _maxRank, _type);
        }
        catch (CheckpointException exception)
        {
            bool missing = exception.Problem == CheckpointProblem.MissingFile;
            string message = missing
                ? $"Loading lora {request.Name} failed: No adapter found for {request.Path}"
                : $"Loading lora {request.Name} failed: {exception.Message}";
            throw new QuireException(
                missing ? ErrorCodes.ModelNotFound : ErrorCodes.BadAdapter, missing ? ErrorKind.NotFound : ErrorKind.Request, message, "lora_path", exception);
        }
    }

    private void CheckName(string name, bool inPlace)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > LongestName || name.Any(char.IsControl))
        {
            throw Refused("lora_name", $"lora_name must have 1 to {LongestName} characters and no control characters");
        }

        if (_modelNames.Contains(name))
        {
            throw Refused("lora_name", $"lora_name '{name}' is the name of the model itself");
        }

        if (!inPlace && Contains(name))
        {
            throw Refused("lora_name", $"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.");
        }
    }

    private static QuireException Refused(string field, string message) => new(ErrorCodes.BadRequest, ErrorKind.Request, message, field);
}
