/**
 * The jails of the VMM and the files daemon: what each sees, its user, and what it may do. `bulkhead-jail`
 * (native/jail) sets them up; this file says what goes into them. See docs/security.md.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { installationPrefix } from '../config/locate.ts';
import type { Cgroup } from '../host/cgroup.ts';
import type { AllowedDevice } from '../host/cgroup-limits.ts';
import { VM_DEVICES } from './host-limits.ts';

/** The request that the launcher reads (native/jail/src/request.rs), without the fields that VmChild adds. */
export interface Jail {
  readonly cgroup_procs: readonly string[];
  readonly device_filter: { readonly cgroup: string; readonly devices: readonly AllowedDevice[] } | null;
  readonly oom_score_adj: number | null;
  readonly netns: string | null;
  readonly root: string;
  readonly visible: readonly string[];
  readonly mounts: readonly {
    readonly source: string;
    readonly target: string;
    readonly recursive: boolean;
  }[];
  readonly devices: readonly string[];
  readonly proc: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly capabilities: readonly string[];
  readonly nofile: number | null;
  readonly nproc: number | null;
  readonly seccomp: 'vmm' | 'files';
  readonly argv: readonly string[];
}

/** The launcher of this installation. */
export function jailLauncher(): string {
  return join(installationPrefix(), 'lib/bulkhead/bulkhead-jail');
}

/** What both jails have in common. */
export interface JailPlace {
  /** The VM's folder, on which the jail mounts its root in a mount namespace of its own. */
  readonly dir: string;
  readonly cgroup?: Cgroup | undefined;
  readonly oomScoreAdj?: number | undefined;
}

/** Path of the guest's kernel in the jail. */
export const JAILED_KERNEL = '/kernel';
/** Path of the exported folder in the jail. */
export const JAILED_SHARE = '/share';

/** Where distributions keep libraries and QEMU's firmware; missing ones are left out. */
const LIBRARIES = ['/lib', '/lib32', '/lib64', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/local/lib'];
const LOADER = ['/etc/ld.so.cache', '/nix/store', '/gnu/store'];
const FIRMWARE = ['/usr/share/qemu', '/usr/share/qemu-kvm', '/usr/share/seabios', '/usr/local/share/qemu'];
/** For programs in these prefixes, the folders above are enough. */
const SYSTEM_PREFIXES = ['/', '/usr', '/usr/lib', '/usr/local'];
/** A program in a folder of this name belongs to an installation, whose other folders it needs. */
const PROGRAM_FOLDERS = ['bin', 'sbin', 'libexec'];
const BESIDE_PROGRAMS = ['lib', 'lib32', 'lib64', 'libexec', 'share'];

/** QEMU holds few descriptors: its devices, and three per container of a pod. */
const VMM_FILES = 16_384;
/** Threads: vCPUs, disk I/O (64 at most), one per container. */
const VMM_THREADS = 2_048;

export interface VmmJail extends JailPlace {
  readonly kernel: string;
  readonly netnsPath?: string | undefined;
  /** Its own user and group, or 0 for root without capabilities. */
  readonly uid: number;
  readonly kvm: boolean;
}

/** QEMU's jail: its libraries, the kernel, its devices; no capabilities, and only the system calls it needs. */
export function vmmJail(argv: readonly string[], jail: VmmJail): Jail {
  const [program, args] = programOf(argv);
  return {
    ...place(jail),
    netns: jail.netnsPath ?? null,
    visible: [...LIBRARIES, ...LOADER, ...FIRMWARE, ...own(program)],
    mounts: [{ source: realpathSync(jail.kernel), target: JAILED_KERNEL, recursive: false }],
    devices: [
      '/dev/null',
      '/dev/urandom',
      '/dev/net/tun',
      '/dev/vhost-net',
      ...(jail.kvm ? ['/dev/kvm'] : []),
    ],
    proc: false,
    uid: jail.uid,
    gid: jail.uid,
    capabilities: [],
    nofile: VMM_FILES,
    nproc: jail.uid === 0 ? null : VMM_THREADS,
    seccomp: 'vmm',
    argv: [program, ...args],
  };
}

/**
 * What it takes to serve files of all owners. The daemon needs SYS_CHROOT and SETPCAP to enter the share, and drops
 * them there. Not DAC_READ_SEARCH: with it, files outside of the share could be opened by file handle.
 */
const FILES_CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID', 'MKNOD', 'SETFCAP'],
  ...['SYS_CHROOT', 'SETPCAP'],
];

export interface FilesJail extends JailPlace {
  /** The folder on the host; mounts made in it later are visible. */
  readonly shared: string;
}

/** The files daemon's jail: the static daemon and the exported folder, read-only at the top. It is uid 0. */
export function filesJail(argv: readonly string[], jail: FilesJail): Jail {
  const [program, args] = programOf(argv);
  return {
    ...place(jail),
    netns: null,
    visible: [program],
    mounts: [{ source: jail.shared, target: JAILED_SHARE, recursive: true }],
    devices: ['/dev/null'],
    proc: true,
    uid: 0,
    gid: 0,
    capabilities: FILES_CAPABILITIES,
    nofile: null,
    nproc: null,
    seccomp: 'files',
    argv: [program, ...args],
  };
}

function place({ dir, cgroup, oomScoreAdj }: JailPlace) {
  const unified = cgroup?.unified;
  return {
    cgroup_procs: cgroup?.procsFiles ?? [],
    device_filter: unified === undefined ? null : { cgroup: unified, devices: VM_DEVICES },
    oom_score_adj: oomScoreAdj ?? null,
    root: dir,
  };
}

function programOf([path = '', ...args]: readonly string[]): [string, string[]] {
  return [realpathSync(path), args];
}

/** The program and what is installed with it (`/opt/qemu/lib` for `/opt/qemu/bin/qemu-system-x86_64`). */
function own(program: string): string[] {
  const folder = dirname(program);
  const prefix = dirname(folder);
  if (!PROGRAM_FOLDERS.includes(basename(folder)) || SYSTEM_PREFIXES.includes(prefix)) return [program];
  return [program, ...BESIDE_PROGRAMS.map((name) => join(prefix, name))];
}
