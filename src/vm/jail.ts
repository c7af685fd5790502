/**
 * Where the VMM and the file system daemon run: what each can see, as whom, and what it may do. `bulkhead-jail` (native/jail) makes it
 * so; this file says what goes in. See docs/security.md.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { installationPrefix } from '../config/locate.ts';
import type { Cgroup } from '../host/cgroup.ts';
import type { AllowedDevice } from '../host/cgroup-limits.ts';
import { VM_DEVICES } from './host-limits.ts';

/** The request as the launcher reads it (native/jail/src/request.rs), but for what VmChild adds. */
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

/** What both programs' jails are made of. */
export interface JailPlace {
  /** The VM's folder; the root is mounted on it where nobody else sees it. */
  readonly dir: string;
  readonly cgroup?: Cgroup | undefined;
  readonly oomScoreAdj?: number | undefined;
}

/** Of the kernel that the guest boots. */
export const JAILED_KERNEL = '/kernel';
/** Of the folder that is exported to the guest. */
export const JAILED_SHARE = '/share';

/** Where a distribution's programs have their libraries and QEMU its firmware; what is not there is left out. */
const LIBRARIES = ['/lib', '/lib32', '/lib64', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/local/lib'];
const LOADER = ['/etc/ld.so.cache', '/nix/store', '/gnu/store'];
const FIRMWARE = ['/usr/share/qemu', '/usr/share/qemu-kvm', '/usr/share/seabios', '/usr/local/share/qemu'];
/** Prefixes of which the folders above are all that a program needs. */
const SYSTEM_PREFIXES = ['/', '/usr', '/usr/lib', '/usr/local'];
/** In a folder of such a name a program is part of an installation, with what it needs beside that folder. */
const PROGRAM_FOLDERS = ['bin', 'sbin', 'libexec'];
const BESIDE_PROGRAMS = ['lib', 'lib32', 'lib64', 'libexec', 'share'];

/** QEMU holds few files: its devices, and three for each container of a pod. */
const VMM_FILES = 16_384;
/** Threads: vCPUs, file I/O (64 at most), one for each container. */
const VMM_THREADS = 2_048;

export interface VmmJail extends JailPlace {
  readonly kernel: string;
  readonly netnsPath?: string | undefined;
  /** User and group of its own; 0 is root's, without its capabilities. */
  readonly uid: number;
  readonly kvm: boolean;
}

/** QEMU: its libraries, the kernel, the devices it drives; no capability, and only the system calls that it needs. */
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
 * What serving files of all owners takes; SYS_CHROOT and SETPCAP are for its own way into the share, and it gives them up
 * there. Not DAC_READ_SEARCH: with it, files outside of the share could be opened by their handles.
 */
const FILES_CAPABILITIES = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID', 'MKNOD', 'SETFCAP'],
  ...['SYS_CHROOT', 'SETPCAP'],
];

export interface FilesJail extends JailPlace {
  /** The host's folder; mounts made in it later are seen. */
  readonly shared: string;
}

/** The file system daemon, which is static, and the exported folder, read-only at the top. It is uid 0: files have all owners. */
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

/** The program itself, and what is installed with it (`/opt/qemu/lib` of `/opt/qemu/bin/qemu-system-x86_64`). */
function own(program: string): string[] {
  const folder = dirname(program);
  const prefix = dirname(folder);
  if (!PROGRAM_FOLDERS.includes(basename(folder)) || SYSTEM_PREFIXES.includes(prefix)) return [program];
  return [program, ...BESIDE_PROGRAMS.map((name) => join(prefix, name))];
}
