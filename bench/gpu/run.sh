#!/bin/sh
# Builds, checks and times the CUDA backend on the machine where it runs. Where there is no .NET SDK, give the folder of programs that were
# published elsewhere: QUIRE_PUBLISHED=folder with quire and quire-gpu-bench in it.
#
#   bench/gpu/run.sh [llama-3.2-1b|llama-3.1-8b ...]
#
# QUIRE_TORCH_STEP=path/to/torch_step.py runs that yardstick beside it; QUIRE_EXAM=path/to/exam.json asks its questions in every precision.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ -n "${QUIRE_PUBLISHED:-}" ]; then
    bin=$QUIRE_PUBLISHED
else
    bin=$(mktemp -d)
    trap 'rm -rf "$bin"' EXIT
    dotnet publish bench/Quire.GpuBench -c Release -p:IlcInstructionSet=x86-64-v3 -o "$bin" -v q || exit 1
    dotnet publish src/Quire.Cli -c Release -p:PublishAot=true -p:IlcInstructionSet=x86-64-v3 -o "$bin" -v q || exit 1
fi
QUIRE_CACHE=${QUIRE_CACHE:-$(mktemp -d)}
export QUIRE_CACHE
failed=0
echo "== operations against their definitions"
"$bin/quire-gpu-bench" check || failed=1
echo "== the shipped model against the CPU"
"$bin/quire-gpu-bench" model models/quill || failed=1
"$bin/quire-gpu-bench" requests models/quill 1000 || failed=1
shapes="1x1024 8x1024 32x1024 128x1024 256x1024 32x8192 p16x2048 p1x2048 p1x128"
for model in ${*:-llama-3.2-1b llama-3.1-8b}; do
    echo "== $model: steps"
    "$bin/quire-gpu-bench" step "$model" $shapes || failed=1
    if [ -n "${QUIRE_TORCH_STEP:-}" ]; then
        python3 "$QUIRE_TORCH_STEP" "$model"
    fi
    echo "== $model: engine"
    folder=$(mktemp -d)
    "$bin/quire-gpu-bench" config "$model" > "$folder/config.json"
    for load in "512 128 256" "32 512 256" "512 128 32"; do
        set -- $load
        "$bin/quire" bench throughput --model "$folder" --load-format dummy --skip-tokenizer-init --device cuda --max-model-len 4096 \
            --dataset-name random --input-len "$1" --output-len "$2" --num-prompts "$3" --repeat 3 || failed=1
    done
    rm -rf "$folder"
done
echo "== llama-3.1-8b in FP8"
"$bin/quire-gpu-bench" step llama-3.1-8b:fp8 $shapes || failed=1
exam=${QUIRE_EXAM:-}
if [ -n "$exam" ]; then
    for quantization in "" fp8 int8 int4; do
        echo "== exam ${quantization:-bfloat16}"
        "$bin/quire" bench accuracy --device cuda --max-model-len 2048 --input "$exam" ${quantization:+--quantization "$quantization"} | tail -1 || failed=1
    done
fi
exit $failed
