#!/bin/sh
# The command line publishes ahead of time without warnings, for this processor's instruction set, and answers a prompt.
# Ahead-of-time code has no AVX2 unless asked for: see docs/decisions/0004-jit-by-default-aot-by-tier.md.
cd "$(dirname "$0")/.." || exit 1
has_linker() { command -v clang >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1; }
if ! has_linker && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq clang zlib1g-dev >/dev/null
fi
if ! has_linker; then
    echo "no C linker (clang or gcc): the ahead-of-time build is skipped"
    exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
instruction_set=x86-64-v3
case $(uname -m) in
aarch64 | arm64) instruction_set= ;;
esac
dotnet publish src/Quire.Cli -c Release -p:PublishAot=true ${instruction_set:+-p:IlcInstructionSet=$instruction_set} -o "$out" -v q || exit 1
ls -l "$out/quire"
answer=$("$out/quire" generate --model models/quill --prompt "The cat" --max-tokens 4 --temperature 0 --json) || exit 1
echo "$answer"
case $answer in
*'"finish_reason"'*) ;;
*) exit 1 ;;
esac
