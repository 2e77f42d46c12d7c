#!/bin/sh
# Builds, checks and times the CUDA backend on the machine where it runs, in one go, and prints what came out beside its yardstick.
#
#   bench/gpu/run.sh [checks] [timings] [server] [startup]       # all four without arguments
#
# What it can use, by environment variable:
#   BENCH_PUBLISHED    folder of quire and quire-gpu-bench that were published elsewhere (AOT), where there is no .NET SDK
#   BENCH_RESULTS      folder for the output of every part; a temporary one otherwise
#   BENCH_TORCH_STEP   program of the yardstick: PyTorch with the same layers, run beside Quire
#   BENCH_EXAM         questions with answers, asked in every precision
#   BENCH_GOLDENS      folder of checkpoints with a golden.json each
#   BENCH_TOKENIZER    folder of a tokenizer with 128,256 tokens, for the server with the vocabulary of llama-3.2-1b
#   BENCH_CACHE        folder of compiled kernels and timings; an empty one otherwise
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ -n "${BENCH_PUBLISHED:-}" ]; then
    bin=$BENCH_PUBLISHED
else
    bin=$(mktemp -d)
    trap 'rm -rf "$bin"' EXIT
    dotnet publish bench/Quire.GpuBench -c Release -p:PublishAot=true -p:IlcInstructionSet=x86-64-v3 -o "$bin" -v q || exit 1
    dotnet publish src/Quire.Cli -c Release -p:PublishAot=true -p:IlcInstructionSet=x86-64-v3 -o "$bin" -v q || exit 1
fi
results=${BENCH_RESULTS:-$(mktemp -d)}
mkdir -p "$results"
BENCH_CACHE=${BENCH_CACHE:-$(mktemp -d)}
export BENCH_CACHE
seed=${BENCH_SEED:-$$}
failed=0
dummy="--load-format dummy --skip-tokenizer-init --device cuda --max-model-len 4096"
log() { echo "[$(date +%H:%M:%S)] $*"; }

# A part in the background; its output and exit status are kept by its name.
part() {
    name=$1
    shift
    { "$@" > "$results/$name.txt" 2>&1; echo $? > "$results/$name.status"; } &
}

shape_folder() { # MODEL: a folder with its configuration
    folder=$(mktemp -d)
    "$bin/quire-gpu-bench" config "$1" > "$folder/config.json"
    echo "$folder"
}

checks() {
    log "checks, seed $seed"
    for filter in "attention d16" "attention d24" "attention d32" "attention d40" "attention d64" "attention d80" "attention d96" "attention d128" "attention d256" \
        "cache fp8_e4m3" "cache fp8_e5m2" "cache int8"; do
        part "check-$(echo "$filter" | tr ' ' '-')" "$bin/quire-gpu-bench" check "$seed" "$filter"
    done
    part check-others "$bin/quire-gpu-bench" check "$seed" "!attention,cache"
    part model-quill "$bin/quire-gpu-bench" model models/quill
    if [ -n "${BENCH_GOLDENS:-}" ]; then
        part goldens "$bin/quire-gpu-bench" golden "$BENCH_GOLDENS"/*/
    fi
    part requests "$bin/quire-gpu-bench" requests models/quill 1000
    if command -v compute-sanitizer > /dev/null; then
        part sanitizer compute-sanitizer --error-exitcode 9 "$bin/quire" generate --device cuda --enforce-eager --max-model-len 512 --kv-cache-memory-bytes 64M \
            --prompt "2 + 2 =" --max-tokens 4
    fi
    if [ -n "${BENCH_EXAM:-}" ]; then
        for quantization in none fp8 int8 int4; do
            option=
            [ "$quantization" = none ] || option="--quantization $quantization"
            part "exam-$quantization" "$bin/quire" bench accuracy --device cuda --max-model-len 2048 --kv-cache-memory-bytes 1G --input "$BENCH_EXAM" $option
        done
        for cache in fp8 int8; do
            part "exam-cache-$cache" "$bin/quire" bench accuracy --device cuda --max-model-len 2048 --kv-cache-memory-bytes 1G --input "$BENCH_EXAM" --kv-cache-dtype "$cache"
        done
    fi
    wait
    for status in "$results"/*.status; do
        name=$(basename "$status" .status)
        echo "$name (exit $(cat "$status")): $(grep -v '^$' "$results/$name.txt" | tail -n 1)"
        if [ "$(cat "$status")" != 0 ]; then
            failed=1
            grep -a "FAILED\|error\|ERROR" "$results/$name.txt" | head -n 10
        fi
        rm "$status"
    done
}

timings() {
    for model in llama-3.2-1b llama-3.1-8b llama-3.1-8b:fp8; do
        log "$model: steps"
        "$bin/quire-gpu-bench" step "$model" 1x1024 8x1024 32x1024 128x1024 256x1024 32x8192 p16x2048 p1x2048 p1x128 >> "$results/steps.jsonl" || failed=1
        if [ -n "${BENCH_TORCH_STEP:-}" ] && [ "${model#*:}" = "$model" ]; then
            log "$model: yardstick"
            python3 "$BENCH_TORCH_STEP" "$model" >> "$results/steps.jsonl"
        fi
    done
    "$bin/quire-gpu-bench" compare "$results/steps.jsonl"
    for run in "llama-3.2-1b 512 128 256" "llama-3.2-1b 32 512 256" "llama-3.2-1b 512 128 32" \
        "llama-3.1-8b 512 128 256" "llama-3.1-8b 32 512 256" "llama-3.1-8b 512 128 32" "llama-3.1-8b:fp8 512 128 256"; do
        set -- $run
        folder=$(shape_folder "${1%:*}")
        option=
        [ "${1#*:}" = "$1" ] || option="--quantization ${1#*:}"
        log "$1: engine, $4 x ($2 in, $3 out)"
        "$bin/quire" bench throughput --model "$folder" $dummy $option --dataset-name random --input-len "$2" --output-len "$3" --num-prompts "$4" \
            --repeat 3 --json > "$results/engine-$1-$2-$3-$4.json" 2> "$results/engine.log" || failed=1
        python3 - "$results/engine-$1-$2-$3-$4.json" 2> /dev/null <<'P' || cat "$results/engine-$1-$2-$3-$4.json"
import json, sys
r = json.load(open(sys.argv[1]))
print({k: v for k, v in r.items() if not isinstance(v, (dict, list)) or "output" in k or "host" in k or "idle" in k})
P
        rm -rf "$folder"
    done
}

server() {
    folder=$(shape_folder llama-3.2-1b)
    cp "${BENCH_TOKENIZER:-models/quill}"/tokenizer*.json "$folder"
    [ -n "${BENCH_TOKENIZER:-}" ] || sed -i 's/"vocab_size":[^,}]*/"vocab_size": 8192/' "$folder/config.json"
    log "llama-3.2-1b through the server, 256 streams of (512 in, 128 out)"
    "$bin/quire" serve --model "$folder" --load-format dummy --device cuda --max-model-len 4096 --max-num-seqs 256 --port 8123 > "$results/server.log" 2>&1 &
    server=$!
    "$bin/quire" bench serve --port 8123 --ready-check-timeout-sec 120 --tokenizer "$folder" --dataset-name random --input-len 512 --output-len 128 \
        --num-prompts 1024 --max-concurrency 256 --num-warmups 2 2>&1 | tee "$results/server.txt" | tail -n 30
    kill $server
    wait $server
    rm -rf "$folder"
}

startup() {
    for model in llama-3.2-1b llama-3.1-8b; do
        folder=$(shape_folder $model)
        for cache in "" --empty-cache; do
            log "$model: start ${cache:-with warm caches}"
            "$bin/quire" bench startup --model "$folder" $dummy --num-iters-cold 2 --num-iters-warm 0 $cache 2>&1 | tee -a "$results/startup.txt" || failed=1
        done
        rm -rf "$folder"
    done
}

for what in ${*:-checks timings server startup}; do
    $what
done
log "done, outputs in $results"
exit $failed
