#!/bin/sh
# Builds the static agent and prints the path of the binary (the last line of stdout).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/build/cargo}"
# Any static target serves; musl is not installed everywhere and glibc's static archive comes with libc6-dev.
target=${BULKHEAD_AGENT_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
# A fixed address saves the start-up relocation of a static PIE; PID 1 of a VM gains nothing from a random one
# that the kernel's own address randomisation of stack and mappings does not give.
export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static -C relocation-model=static"
cargo build --manifest-path "$here/Cargo.toml" --release --locked --target "$target" >&2
echo "$CARGO_TARGET_DIR/$target/release/bulkhead-agent"
