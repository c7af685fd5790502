#!/bin/sh
# Writes src/gen from the repository's proto/ folder; with --check it only compares and fails on a difference.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/build/cargo}"
if [ "${1:-}" = --check ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
else
    out=$here/src/gen
fi
cargo run --quiet --locked --manifest-path "$here/codegen/Cargo.toml" -- "$root/proto" "$out"
if [ "${1:-}" = --check ]; then
    diff -ru "$here/src/gen" "$out" --exclude=mod.rs || { echo "guest/agent/src/gen is not up to date: run guest/agent/codegen.sh" >&2; exit 1; }
fi
