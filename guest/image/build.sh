#!/bin/sh
# Builds the guest: kernel and root file system, into build/share/bulkhead/{vmlinux,image} of this clone.
#
# The root file system is a read-only erofs image of crun (from Debian's packages), the libraries it needs and our
# agent. Needs apt's package lists, mkfs.erofs and cargo, no root. Everything slow is kept under
# ${BULKHEAD_CACHE:-$HOME/.cache/bulkhead}, named by a hash of what it is made from; a second clone builds nothing.
#
#   BULKHEAD_AGENT=<static binary>   puts another init into the image
#   BULKHEAD_KERNEL=<vmlinux>        takes this kernel instead of building one
#   BULKHEAD_OUT=<folder>            another folder for the results
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${BULKHEAD_CACHE:-$HOME/.cache/bulkhead}
out=${BULKHEAD_OUT:-$root/build/share/bulkhead}

say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v mkfs.erofs >/dev/null || die "mkfs.erofs is missing; run 'make deps'"

# The packages that crun can reach by its dependencies, as "name=version" lines. libelogind0 offers itself as another
# libsystemd0 (for systems without systemd) and would replace its library.
list_packages() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances crun |
    sed -n 's/^\([a-z0-9][a-z0-9.+-]*\)\(:[a-z0-9]*\)\{0,1\}$/\1/p' | grep -v '^libelogind' | sort -u |
    xargs apt-cache show --no-all-versions 2>/dev/null |
    awk '/^Package: / { name = $2 } /^Version: / { print name "=" $2 }' | sort -u
}

# unpack_packages DIR: all of $packages, downloaded once per machine.
unpack_packages() {
  mkdir -p "$cache/debs"
  for package in $packages; do
    name=${package%%=*} version=$(echo "${package#*=}" | sed 's/:/%3a/')
    deb=$(find "$cache/debs" -name "${name}_${version}_*.deb" | head -n 1)
    if [ -z "$deb" ]; then
      say "fetching $package"
      (cd "$cache/debs" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package" >&2)
      deb=$(find "$cache/debs" -name "${name}_${version}_*.deb" | head -n 1)
    fi
    dpkg-deb -x "$deb" "$1"
  done
}

# install_elf PACKAGES ROOTFS FILE: copies a program and, recursively, every library that it names.
install_elf() {
  target=$2/usr/${3#/usr/}
  [ ! -e "$target" ] || return 0
  mkdir -p "$(dirname "$target")"
  cp -L "$1$3" "$target"
  for lib in $(readelf -d "$1$3" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    found=$(cd "$1" && find usr/lib lib -name "$lib" 2>/dev/null | head -n 1)
    [ -n "$found" ] || die "$3 needs $lib, which no package of crun's dependencies has"
    install_elf "$1" "$2" "/usr/lib/$triplet/$lib"
  done
}

# stub_libsystemd DIR: puts a library that only says "not supported" in libsystemd's place. There is no systemd in the
# guest, and the real one brings five more libraries (gcrypt, zstd, lzma, lz4, gpg-error): a third of crun's start-up
# time and 3.4 MB of the guest's memory. The names and versions are those that crun itself asks for.
stub_libsystemd() {
  readelf -dW "$1/usr/bin/crun" | grep -q 'libsystemd.so.0' || return 0
  readelf --dyn-syms -W "$1/usr/bin/crun" | sed -n 's/.* UND \(sd_[a-z0-9_]*\)@*\(LIBSYSTEMD_[0-9]*\).*/\2 \1/p' |
    sort -u >"$work/symbols"
  awk '{ print "int " $2 "(void) { return -95; /* -EOPNOTSUPP */ }" }' "$work/symbols" >"$work/stub.c"
  awk '$1 != v { if (v) print "};"; v = $1; print v " {" } { print $2 ";" } END { print "};" }' "$work/symbols" >"$work/stub.map"
  gcc -shared -fPIC -nostdlib -Os -s -Wl,--build-id=none -Wl,-soname,libsystemd.so.0 \
    -Wl,--version-script="$work/stub.map" -o "$work/libsystemd.so.0" "$work/stub.c"
  rm -f "$1/usr/lib/$triplet/libsystemd.so.0"
  cp "$work/libsystemd.so.0" "$1/usr/lib/$triplet/libsystemd.so.0"
}

# merge_usr DIR: libraries of Debian 12 lie in /lib or /usr/lib, those of 13 in /usr/lib; we use /usr/lib only.
merge_usr() {
  [ ! -d "$1/lib" ] || [ -L "$1/lib" ] || { mkdir -p "$1/usr/lib"; cp -a "$1/lib/." "$1/usr/lib/"; rm -r "$1/lib"; }
  [ ! -d "$1/lib64" ] || [ -L "$1/lib64" ] || { mkdir -p "$1/usr/lib64"; cp -a "$1/lib64/." "$1/usr/lib64/"; rm -r "$1/lib64"; }
}

# make_rootfs DIR AGENT
make_rootfs() {
  for dir in dev etc mnt proc root run sys tmp var usr/bin usr/sbin usr/lib usr/lib64; do mkdir -p "$1/$dir"; done
  for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$1/$dir"; done
  install_elf "$work/packages" "$1" /usr/bin/crun
  loader=$(readelf -l "$1/usr/bin/crun" | sed -n 's/.*interpreter: \/\(.*\)\]/\1/p')
  ln -s "../lib/$triplet/$(basename "$loader")" "$1/usr/$loader"
  install -m 755 "$2" "$1/usr/sbin/bulkhead-agent"
  ln -s bulkhead-agent "$1/usr/sbin/init"
  # The root of a sandbox that has no pause image: the agent under another name, and mount points.
  for dir in dev proc sys etc; do mkdir -p "$1/usr/lib/pause/$dir"; done
  for file in hostname hosts resolv.conf; do : >"$1/usr/lib/pause/etc/$file"; done
  ln "$1/usr/sbin/bulkhead-agent" "$1/usr/lib/pause/pause"
  echo 'root:x:0:0:root:/root:/sbin/nologin' >"$1/etc/passwd"
  printf 'root:x:0:\ntty:x:5:\n' >"$1/etc/group"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$1/etc/hosts"
  # A mount point: the root is read-only, the agent binds the sandbox's own file here.
  : >"$1/etc/resolv.conf"
  echo 'NAME="bulkhead guest"' >"$1/etc/os-release"
  find "$1" -type d -exec chmod 755 {} +
  find "$1" -type f -perm -u+x -exec chmod 755 {} +
  find "$1" -type f ! -perm -u+x -exec chmod 644 {} +
  chmod 1777 "$1/tmp"
}

# make_erofs ROOTFS IMAGE: fixed times, owner and id, no attributes of the building machine, uncompressed (README.md).
make_erofs() {
  mkfs.erofs -d0 -T0 -x-1 --all-root -U b17c4ead-0000-4000-8000-000000000001 "$2" "$1" >/dev/null
}

print_contents() {
  echo "packages:"
  for package in $packages; do echo "  $package"; done
  echo "files (bytes):"
  (cd "$1" && find . -type f -printf '%10s  /%P\n' | sort -k2)
}

kernel=${BULKHEAD_KERNEL:-$("$here/build-kernel.sh")}
agent=${BULKHEAD_AGENT:-$("$root/guest/agent/build.sh" | tail -n 1)}
[ -x "$agent" ] || die "no agent at $agent"

packages=$(list_packages)
[ -n "$packages" ] || die "apt does not know crun; run 'make deps'"
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
key=$({ echo "$packages"; mkfs.erofs -V 2>&1 || true; cat "$here/build.sh" "$agent"; } | sha256sum | cut -c1-16)
result=$cache/image-$key

if [ -f "$result/image" ]; then
  say "cached: $result/image"
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/bulkhead-image.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  mkdir "$work/packages" "$work/result"
  unpack_packages "$work/packages"
  merge_usr "$work/packages"
  stub_libsystemd "$work/packages"
  make_rootfs "$work/rootfs" "$agent"
  make_erofs "$work/rootfs" "$work/result/image"
  print_contents "$work/rootfs" >"$work/result/contents"
  mkdir -p "$cache"
  chmod 755 "$work/result"
  # Another clone may have been quicker; the contents are the same.
  cp -r "$work/result" "$result.$$" && { mv -T "$result.$$" "$result" 2>/dev/null || rm -rf "$result.$$"; }
fi

# Every change of the agent leaves an image behind; what no build has made for two weeks goes.
find "$cache" -maxdepth 1 \( -name 'image-*' -o -name 'kernel-*' \) -type d -mtime +14 -not -path "$result" \
  -not -path "$(dirname "$kernel")" -exec rm -rf {} + 2>/dev/null || true

mkdir -p "$out"
install -m 644 "$kernel" "$out/vmlinux.new" && mv "$out/vmlinux.new" "$out/vmlinux"
install -m 644 "$result/image" "$out/image.new" && mv "$out/image.new" "$out/image"
install -m 644 "$result/contents" "$out/image.contents"
cat "$result/contents" >&2
say "$out/vmlinux $(($(stat -c %s "$out/vmlinux") / 1024)) KiB, $out/image $(($(stat -c %s "$out/image") / 1024)) KiB"
