#!/bin/sh
# The sources are formatted as .editorconfig says.
cd "$(dirname "$0")/.." || exit 1
dotnet format whitespace Quire.slnx --verify-no-changes --no-restore
