#!/bin/sh
# Quire beside llama.cpp on this machine's processor: makes the model files, measures both in turn, prints the table of ratios.
#
#   npm install --prefix NODE_FOLDER node-llama-cpp --ignore-scripts
#   bench/cpu/run.sh NODE_FOLDER SCRATCH_FOLDER [--formats q8_0,q4_0,bf16] [--shape llama-1.1b] [--scenarios prefill,decode,...] [--rounds 5] [--threads 2]
#
# Without arguments it says what else there is. The files need up to 4 GB in SCRATCH_FOLDER and stay there.
set -e
cd "$(dirname "$0")/../.."
dotnet build bench/Quire.Benchmarks -c Release -v q -nologo -p:RunAnalyzers=false >&2
exec dotnet bench/Quire.Benchmarks/bin/Release/net10.0/Quire.Benchmarks.dll peers "$@"
