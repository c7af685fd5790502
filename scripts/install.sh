#!/bin/sh
# Copies the output of `make build guest` to $DESTDIR$PREFIX, or removes it again.
#
#   install.sh install | uninstall      PREFIX (default /usr/local), DESTDIR (default none)
#
# The tree finds its own parts relative to itself, so nothing is rewritten. /etc/bulkhead belongs to the administrator
# and is neither created nor removed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}$prefix
build=$root/build

die() { printf 'install: %s\n' "$*" >&2; exit 1; }

case $prefix in
  /*) ;;
  *) die "PREFIX must be an absolute path, not $prefix" ;;
esac

# Written under another name, then renamed: a running shim keeps its old files, and no incomplete file is ever executed.
put() {
  mode=$1 from=$2 to=$3
  install -D -m "$mode" "$from" "$to.new.$$"
  mv -f "$to.new.$$" "$to"
}

install_all() {
  for file in bin/containerd-shim-bulkhead-v2 bin/bulkhead lib/bulkhead/node lib/bulkhead/shim.cjs \
    lib/bulkhead/server.cjs lib/bulkhead/cli.cjs share/bulkhead/vmlinux share/bulkhead/image; do
    [ -e "$build/$file" ] || die "build/$file is missing: run make build guest first"
  done
  for file in "$build"/lib/bulkhead/*; do
    [ -f "$file" ] || continue
    mode=644
    if [ -x "$file" ]; then mode=755; fi
    put "$mode" "$file" "$dest/lib/bulkhead/${file##*/}"
  done
  for file in "$build"/share/bulkhead/*; do
    [ -f "$file" ] && put 644 "$file" "$dest/share/bulkhead/${file##*/}"
  done
  put 644 "$root/deploy/config.toml" "$dest/share/bulkhead/config.toml"
  for file in "$root"/deploy/*; do
    case ${file##*/} in config.toml) continue ;; esac
    put 644 "$file" "$dest/share/bulkhead/deploy/${file##*/}"
  done
  # The commands come last: once they exist, everything does.
  put 755 "$build/bin/bulkhead" "$dest/bin/bulkhead"
  put 755 "$build/bin/containerd-shim-bulkhead-v2" "$dest/bin/containerd-shim-bulkhead-v2"
  printf 'installed to %s\n' "$dest"
  if [ -z "${DESTDIR:-}" ]; then
    printf 'next: %s/bin/bulkhead check\n' "$dest"
    printf '      containerd: see %s/share/bulkhead/deploy/containerd-config-v2.toml (1.x) or -v3.toml (2.x)\n' "$dest"
  fi
}

uninstall_all() {
  rm -f "$dest/bin/containerd-shim-bulkhead-v2" "$dest/bin/bulkhead"
  rm -rf "$dest/lib/bulkhead" "$dest/share/bulkhead"
  # Empty folders that only we needed; a system's standard ones stay.
  if [ -n "${DESTDIR:-}" ]; then
    for dir in bin lib share; do rmdir "$dest/$dir" 2>/dev/null || true; done
    rmdir -p "$dest" 2>/dev/null || true
  fi
  printf 'removed from %s\n' "$dest"
  if [ -d /etc/bulkhead ] && [ -z "${DESTDIR:-}" ]; then printf 'kept: /etc/bulkhead\n'; fi
}

case ${1:-} in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *) die "usage: install.sh install | uninstall" ;;
esac
