// A plain OCI spec such as containerd would write for the test image, to be changed by each test.
import { imagePath } from '../../scripts/stand/image.ts';

export interface Mount {
  destination: string;
  type: string;
  source: string;
  options?: string[];
}

export interface Rlimit {
  type: string;
  soft: number;
  hard: number;
}

/** The parts of an OCI Process that tests set. */
export interface Process {
  terminal?: boolean;
  consoleSize?: { width: number; height: number };
  user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', string[]>;
  rlimits?: Rlimit[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
}

/** The parts of an OCI Spec that tests set; `linux` is open on purpose. */
export interface Spec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: Mount[];
  annotations?: Record<string, string>;
  hooks?: Record<string, { path: string; args?: string[]; env?: string[]; timeout?: number }[]>;
  linux: {
    cgroupsPath?: string;
    namespaces: { type: string; path?: string }[];
    maskedPaths?: string[];
    readonlyPaths?: string[];
    resources?: Record<string, unknown>;
    sysctl?: Record<string, string>;
    seccomp?: unknown;
    devices?: unknown[];
  };
}

/** containerd's default capabilities. */
export const defaultCapabilities = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL ' +
  'AUDIT_WRITE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

/** A process that runs `args` as root in `/` with containerd's default capabilities. */
export function processSpec(args: readonly string[], changes: Partial<Process> = {}): Process {
  const caps = {
    bounding: defaultCapabilities,
    effective: defaultCapabilities,
    permitted: defaultCapabilities,
  };
  return {
    user: { uid: 0, gid: 0 },
    args: [...args],
    env: [imagePath],
    cwd: '/',
    capabilities: { ...caps, inheritable: [], ambient: [] },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }],
    noNewPrivileges: true,
    ...changes,
  };
}

/** A container that runs `args`; `cgroupsPath` should be unique on the machine. */
export function containerSpec(
  args: readonly string[],
  cgroupsPath: string,
  changes: Partial<Process> = {},
): Spec {
  return {
    ociVersion: '1.0.2-dev',
    process: processSpec(args, changes),
    root: { path: 'rootfs' },
    mounts: defaultMounts(),
    linux: {
      cgroupsPath,
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
      maskedPaths: ['/proc/acpi', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
      resources: { devices: [{ allow: false, access: 'rwm' }] },
    },
  };
}

function defaultMounts(): Mount[] {
  const safe = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: safe },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...safe, 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: safe },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...safe, 'ro'] },
    {
      destination: '/run',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
  ];
}
