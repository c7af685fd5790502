#!/bin/sh
# Copies the output of `make build guest` to $DESTDIR$PREFIX, or removes it again.
#
#   install.sh install | uninstall      PREFIX (default /usr/local), DESTDIR (default none)
#
# Each version has its own complete tree, lib/bulkhead/<version>-<hash of its files>, which finds its parts relative to
# itself. An upgrade just switches the link lib/bulkhead/current, atomically: whoever starts in the middle of it gets
# all of the old version or all of the new one. The previous version is kept, and so is each that a process still runs
# from, until the next installation checks again. /etc/bulkhead belongs to the administrator: it is neither created nor
# removed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}$prefix
versions=$dest/lib/bulkhead
units=$dest/lib/systemd/system
build=$root/build

die() { printf 'install: %s\n' "$*" >&2; exit 1; }

case $prefix in
  /*) ;;
  *) die "PREFIX must be an absolute path, not $prefix" ;;
esac

put() { install -D -m "$1" "$2" "$3"; }

# Replaces whatever is there with a link, atomically.
link() {
  mkdir -p "${2%/*}"
  ln -s "$1" "$2.new.$$"
  mv -fT "$2.new.$$" "$2"
}

put_tree() {
  for file in "$build"/lib/bulkhead/*; do
    [ -f "$file" ] || continue
    mode=644
    if [ -x "$file" ]; then mode=755; fi
    put "$mode" "$file" "$1/lib/bulkhead/${file##*/}"
  done
  for file in "$build"/share/bulkhead/*; do
    [ -f "$file" ] && put 644 "$file" "$1/share/bulkhead/${file##*/}"
  done
  put 644 "$root/deploy/config.toml" "$1/share/bulkhead/config.toml"
  for file in "$root"/deploy/*; do
    case ${file##*/} in config.toml) continue ;; esac
    put 644 "$file" "$1/share/bulkhead/deploy/${file##*/}"
  done
  put 755 "$build/bin/bulkhead" "$1/bin/bulkhead"
  put 755 "$build/bin/containerd-shim-bulkhead-v2" "$1/bin/containerd-shim-bulkhead-v2"
}

hash_of() { (cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12); }

# True when a process runs from this folder. (/proc shows resolved paths.)
is_used() {
  [ -n "$(find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$(cd "$1" && pwd -P)/*" -print -quit 2>/dev/null)" ]
}

remove_unused() {
  for dir in "$versions"/*/; do
    dir=${dir%/}
    case ${dir##*/} in current | "$1" | "$2") continue ;; esac
    if is_used "$dir"; then printf 'kept, because a sandbox runs from it: %s\n' "$dir"; else rm -rf "$dir"; fi
  done
}

install_all() {
  for file in bin/containerd-shim-bulkhead-v2 bin/bulkhead lib/bulkhead/node lib/bulkhead/shim.cjs \
    lib/bulkhead/server.cjs lib/bulkhead/cli.cjs share/bulkhead/vmlinux share/bulkhead/image; do
    [ -e "$build/$file" ] || die "build/$file is missing: run make build guest first"
  done
  if [ -d "$dest/share/bulkhead" ] && [ ! -L "$dest/share/bulkhead" ]; then
    die "$dest has a version from before the versioned folders: make uninstall first"
  fi
  new=$versions/.new.$$
  trap 'rm -rf "$new"' EXIT
  put_tree "$new"
  number=$(sed -n 's/.*"version": "\([^"]*\)".*/\1/p' "$root/package.json")
  version=$number-$(hash_of "$new")
  if [ -d "$versions/$version" ]; then rm -rf "$new"; else mv -T "$new" "$versions/$version"; fi

  previous=$(readlink "$versions/current" || true)
  link "$version" "$versions/current"
  link ../lib/bulkhead/current/share/bulkhead "$dest/share/bulkhead"
  for name in bulkhead containerd-shim-bulkhead-v2; do link "../lib/bulkhead/current/bin/$name" "$dest/bin/$name"; done
  mkdir -p "$units"
  for name in bulkhead-gc.service bulkhead-gc.timer; do
    sed "s|/usr/local/bin|$prefix/bin|" "$root/deploy/$name" >"$units/$name.new.$$"
    mv -f "$units/$name.new.$$" "$units/$name"
  done
  remove_unused "$version" "$previous"
  printf 'installed %s to %s\n' "$version" "$dest"
  if [ -z "${DESTDIR:-}" ]; then
    printf 'next: %s/bin/bulkhead check\n' "$dest"
    printf '      containerd: see %s/share/bulkhead/deploy/containerd-config-v2.toml (1.x) or -v3.toml (2.x)\n' "$dest"
    printf '      CRI-O: crio.conf there, and: systemctl enable --now bulkhead-gc.timer\n'
  fi
}

uninstall_all() {
  rm -f "$dest/bin/containerd-shim-bulkhead-v2" "$dest/bin/bulkhead" "$units/bulkhead-gc.service" "$units/bulkhead-gc.timer"
  rm -rf "$versions" "$dest/share/bulkhead"
  # Empty folders that only we needed; a system's standard ones stay.
  if [ -n "${DESTDIR:-}" ]; then
    for dir in bin lib/systemd/system lib/systemd lib share; do rmdir "$dest/$dir" 2>/dev/null || true; done
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
