#!/bin/sh
# Builds the static programs; the last line on stdout is the folder that they are in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/build/cargo}"
target=${BULKHEAD_HOST_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
# libcap-ng is the only C library besides libc.
libcap_ng=$(gcc -print-file-name=libcap-ng.a)
[ -f "$libcap_ng" ] || { echo "native: libcap-ng.a is missing; run 'make deps'" >&2; exit 1; }
export LIBCAPNG_LINK_TYPE=static LIBCAPNG_LIB_PATH="${libcap_ng%/*}"
export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
cargo build --manifest-path "$here/Cargo.toml" --release --locked --target "$target" >&2
echo "$CARGO_TARGET_DIR/$target/release"
