// Every key of the configuration: its type, limits and default. New keys are added here and nowhere else.

/** The validated configuration; sizes and times carry their unit in the name. Frozen. */
export interface Config {
  readonly vm: {
    readonly hypervisor: 'qemu';
    /** Absolute path of the hypervisor's binary. */
    readonly path: string;
    readonly kernel: string;
    readonly image: string;
    readonly kernelParams: string;
    readonly accelerator: 'auto' | 'kvm' | 'tcg';
    readonly defaultVcpus: number;
    readonly defaultMemoryMib: number;
    /** How far a running VM may grow; 0: up to what the host has. */
    readonly maxVcpus: number;
    readonly maxMemoryMib: number;
    readonly overheadVcpus: number;
    readonly overheadMemoryMib: number;
    /** Host memory for QEMU and the files daemon besides the VM's memory; 0: computed. */
    readonly vmmMemoryMib: number;
    /** Whom the VMM runs as: a user and group that no other VM has, or root without capabilities. */
    readonly user: 'own' | 'root';
    /** The first of the VMs' uids, and how many there are. */
    readonly firstUid: number;
    readonly uidCount: number;
  };
  readonly sharedFs: {
    /** Where disk-backed emptyDirs are: in the kubelet's folder, shared; in a folder of the guest; or on a disk. */
    readonly diskEmptyDir: 'share' | 'local' | 'disk';
  };
  readonly rootfs: {
    /** Where a container's writes to its root go: to the snapshot's folder, shared, or to a disk in that folder. */
    readonly mode: 'shared' | 'disk';
    /** Size of new disks, for roots and emptyDirs; they are sparse. */
    readonly diskSizeMib: number;
  };
  readonly annotations: {
    /** Keys (as in the file, `table.key`) that a pod may override by annotation. */
    readonly allow: readonly string[];
  };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
  readonly timeouts: {
    readonly bootMs: number;
    readonly requestMs: number;
    readonly drainMs: number;
    readonly stopMs: number;
  };
}

/** The type of a value, with its limits. */
export type Kind =
  | { readonly t: 'choice'; readonly of: readonly string[] }
  | { readonly t: 'integer'; readonly min: number; readonly max: number }
  | { readonly t: 'number'; readonly min: number; readonly max: number }
  | { readonly t: 'text' }
  /** An absolute path; an empty one is looked up when the configuration is loaded. */
  | { readonly t: 'path' }
  /** Names of keys whose `annotation` is true. */
  | { readonly t: 'keys' };

export type Value = string | number | readonly string[];

/** One key. */
export interface Key {
  /** Table and key as in the TOML file. */
  readonly table: string;
  readonly name: string;
  readonly kind: Kind;
  readonly fallback: Value;
  /** Whether the allow-list may contain it. Never for anything that runs a program on the host. */
  readonly annotation: boolean;
}

const choice = (...of: string[]): Kind => ({ t: 'choice', of });
const integer = (min: number, max: number): Kind => ({ t: 'integer', min, max });
const path: Kind = { t: 'path' };
const fixed = { annotation: false };
const perPod = { annotation: true };

/** All keys, in the order of the shipped file. */
export const KEYS: readonly Key[] = [
  { table: 'vm', name: 'hypervisor', kind: choice('qemu'), fallback: 'qemu', ...fixed },
  { table: 'vm', name: 'path', kind: path, fallback: '', ...fixed },
  { table: 'vm', name: 'kernel', kind: path, fallback: '', ...perPod },
  { table: 'vm', name: 'image', kind: path, fallback: '', ...perPod },
  { table: 'vm', name: 'kernel_params', kind: { t: 'text' }, fallback: '', ...perPod },
  { table: 'vm', name: 'accelerator', kind: choice('auto', 'kvm', 'tcg'), fallback: 'auto', ...perPod },
  { table: 'vm', name: 'default_vcpus', kind: integer(1, 128), fallback: 1, ...perPod },
  { table: 'vm', name: 'default_memory_mib', kind: integer(64, 1_048_576), fallback: 1024, ...perPod },
  { table: 'vm', name: 'max_vcpus', kind: integer(0, 128), fallback: 0, ...perPod },
  { table: 'vm', name: 'max_memory_mib', kind: integer(0, 1_048_576), fallback: 0, ...perPod },
  { table: 'vm', name: 'overhead_vcpus', kind: { t: 'number', min: 0, max: 16 }, fallback: 0, ...perPod },
  { table: 'vm', name: 'overhead_memory_mib', kind: integer(0, 65_536), fallback: 128, ...perPod },
  { table: 'vm', name: 'vmm_memory_mib', kind: integer(0, 1_048_576), fallback: 0, ...fixed },
  { table: 'vm', name: 'user', kind: choice('own', 'root'), fallback: 'own', ...fixed },
  { table: 'vm', name: 'first_uid', kind: integer(1_000, 4_294_000_000), fallback: 2_000_000_000, ...fixed },
  { table: 'vm', name: 'uid_count', kind: integer(1, 900_000), fallback: 65_536, ...fixed },
  {
    table: 'shared_fs',
    name: 'disk_empty_dir',
    kind: choice('share', 'local', 'disk'),
    fallback: 'share',
    ...perPod,
  },
  { table: 'rootfs', name: 'mode', kind: choice('shared', 'disk'), fallback: 'shared', ...perPod },
  { table: 'rootfs', name: 'disk_size_mib', kind: integer(256, 16_777_216), fallback: 65_536, ...perPod },
  { table: 'annotations', name: 'allow', kind: { t: 'keys' }, fallback: [], ...fixed },
  {
    table: 'log',
    name: 'level',
    kind: choice('trace', 'debug', 'info', 'warn', 'error'),
    fallback: 'info',
    ...fixed,
  },
  { table: 'timeouts', name: 'boot_ms', kind: integer(100, 3_600_000), fallback: 60_000, ...perPod },
  { table: 'timeouts', name: 'request_ms', kind: integer(100, 3_600_000), fallback: 30_000, ...perPod },
  { table: 'timeouts', name: 'drain_ms', kind: integer(0, 3_600_000), fallback: 10_000, ...perPod },
  { table: 'timeouts', name: 'stop_ms', kind: integer(100, 3_600_000), fallback: 10_000, ...perPod },
];

/** `table.key`, the name of a key in messages, in the allow-list and, after `io.bulkhead.`, as an annotation. */
export function keyName(key: Key): string {
  return `${key.table}.${key.name}`;
}

/** `shared_fs` -> `sharedFs`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function rangeText(kind: { min: number; max: number }): string {
  return `from ${kind.min} to ${kind.max}`;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && !one.includes('\0'));
}

/** What is wrong with a value for this kind; undefined when nothing is. */
export function problemOf(kind: Kind, value: unknown): string | undefined {
  switch (kind.t) {
    case 'choice':
      return kind.of.includes(value as string)
        ? undefined
        : `must be one of ${kind.of.map((one) => JSON.stringify(one)).join(', ')}, not ${JSON.stringify(value)}`;
    case 'integer':
      return Number.isInteger(value) && (value as number) >= kind.min && (value as number) <= kind.max
        ? undefined
        : `must be a whole number ${rangeText(kind)}, not ${JSON.stringify(value)}`;
    case 'number':
      return typeof value === 'number' && value >= kind.min && value <= kind.max
        ? undefined
        : `must be a number ${rangeText(kind)}, not ${JSON.stringify(value)}`;
    case 'text':
      return typeof value === 'string' && !value.includes('\0')
        ? undefined
        : `must be a string, not ${JSON.stringify(value)}`;
    case 'path':
      return typeof value === 'string' && /^(\/[^\0]*)?$/.test(value)
        ? undefined
        : `must be an absolute path, not ${JSON.stringify(value)}`;
    case 'keys':
      return keysProblem(value);
  }
}

function keysProblem(value: unknown): string | undefined {
  if (!isTexts(value)) return `must be an array of strings, not ${JSON.stringify(value)}`;
  const allowed = KEYS.filter((key) => key.annotation).map(keyName);
  const wrong = value.find((one) => !allowed.includes(one));
  return wrong === undefined ? undefined : `has ${JSON.stringify(wrong)}; it may have ${allowed.join(', ')}`;
}
