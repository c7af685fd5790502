#!/bin/sh
# Builds the guest kernel from Debian's linux-source package and kernel.config; prints the path of the vmlinux.
#
#   build-kernel.sh [--path-only]     --path-only: print where it is or would be, build nothing
#
# The result is kept under ${BULKHEAD_CACHE:-$HOME/.cache/bulkhead}, named by a hash of the source package's version,
# kernel.config, the patches and this script, so that a second clone builds nothing. Needs no root. Progress goes to stderr.
set -eu

PACKAGE=linux-source-6.12
here=$(cd "$(dirname "$0")" && pwd)
cache=${BULKHEAD_CACHE:-$HOME/.cache/bulkhead}

say() { printf 'kernel: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(uname -m)" = x86_64 ] || die "only x86_64 guests are built so far, this machine is $(uname -m)"

version=$(apt-cache show --no-all-versions "$PACKAGE" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
[ -n "$version" ] || die "apt does not know $PACKAGE; run 'make deps'"
key=$({ echo "$version"; cat "$here/kernel.config" "$here/build-kernel.sh" "$here"/patches/*.patch; } | sha256sum | cut -c1-16)
result=$cache/kernel-$key/vmlinux

if [ "${1:-}" = --path-only ]; then echo "$result"; exit 0; fi
if [ -f "$result" ]; then say "cached: $result"; echo "$result"; exit 0; fi

# One build at a time on a machine; who waited finds the other's result.
mkdir -p "$cache"
exec 9>"$cache/kernel.lock"
flock -n 9 || { say "another build is running, waiting for it"; flock -w 3600 9 || die "waited an hour for $cache/kernel.lock"; }
if [ -f "$result" ]; then echo "$result"; exit 0; fi

for tool in make gcc flex bison bc xz patch strip readelf; do
  command -v "$tool" >/dev/null || die "$tool is missing; run 'make deps'"
done
free_mib=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
[ "$free_mib" -ge 3000 ] || die "$cache has $free_mib MiB free, the build needs 3000"

work=$(mktemp -d "$cache/kernel-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say "fetching $PACKAGE $version"
# apt's unprivileged user may not enter the cache folder; apt then says so and downloads as the caller.
(cd "$work" && apt-get -q -o APT::Sandbox::User="$(id -un)" download "$PACKAGE=$version" >&2)
say "unpacking"
mkdir "$work/src"
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO "./usr/src/$PACKAGE.tar.xz" | xz -dc |
  tar -x --no-same-owner --strip-components=1 -C "$work/src" \
    --exclude='*/drivers/gpu/drm/amd/include' --exclude='*/tools/testing' --exclude='*/arch/*/boot/dts'
rm "$work"/*.deb

cd "$work/src"
for patch in "$here"/patches/*.patch; do patch -s -p1 --fuzz=0 <"$patch" >&2; done
# Same input, same bytes: nothing of the building machine or the time gets in.
export ARCH=x86_64 KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=bulkhead KBUILD_BUILD_HOST=bulkhead KBUILD_BUILD_VERSION=1
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES
make -s KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig >&2
lost=$(grep '^CONFIG_' "$here/kernel.config" | grep -vxFf .config || true)
unwanted=$(sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=y/p' "$here/kernel.config" | grep -xFf - .config || true)
[ -z "$lost$unwanted" ] || die "these lines of kernel.config did not survive: $lost $unwanted"

jobs=${BULKHEAD_JOBS:-$(nproc)}
say "compiling $(make -s kernelversion) with $jobs jobs (5 to 10 minutes on 2 free cores)"
total=1900 # about as many files are compiled; only for the progress line
started=$(date +%s)
mkfifo "$work/progress"
awk -v total=$total '/^  (CC|AS|LD|AR|HOSTCC) / { n++; if (n % 250 == 0) { printf "kernel: %d of about %d files\n", n, total; fflush() } }
  !/^  [A-Z]/ { print; fflush() }' <"$work/progress" >&2 &
if ! nice -n 5 make -j"$jobs" vmlinux >"$work/progress" 2>&1; then wait; die "the compiler failed, see above"; fi
wait

strip -s -o "$work/vmlinux" vmlinux
readelf -n "$work/vmlinux" 2>/dev/null | grep -q Xen || die "the vmlinux has no PVH note, QEMU could not start it"
mkdir -p "$(dirname "$result")"
cp .config "$(dirname "$result")/config"
echo "$PACKAGE $version" >"$(dirname "$result")/source"
mv "$work/vmlinux" "$result"
say "built in $(($(date +%s) - started)) s, $(du -k "$result" | cut -f1) KiB"
echo "$result"
