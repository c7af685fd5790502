/** Limits on what the processes of a cgroup may use, written to the files of version 1 or 2. */
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A device that may be opened; no other may. */
export interface AllowedDevice {
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
}

export interface CgroupLimits {
  readonly memoryBytes: number;
  /** CPUs' worth of time. */
  readonly cpus: number;
  /** Processes and threads. */
  readonly pids: number;
  /** Read and write, not mknod. Version 1 only: version 2 takes a BPF program, which the jail attaches. Absent: as before. */
  readonly devices?: readonly AllowedDevice[];
}

const PERIOD_US = 100_000;

/**
 * Sets the limits of a group, which may have processes.
 * @param folders one per hierarchy.
 * @returns what could not be limited, one sentence each.
 */
export function applyLimits(folders: readonly string[], limits: CgroupLimits): string[] {
  const kinds = [limitMemory, limitCpu, limitPids, limitDevices];
  return kinds.flatMap((limit) => limit(folders, limits) ?? []);
}

/** Swap counts as memory (version 1) or is denied (version 2); otherwise the limit would mean nothing. */
function limitMemory(folders: readonly string[], { memoryBytes }: CgroupLimits): string | undefined {
  const v1 = holderOf(folders, 'memory.limit_in_bytes');
  if (v1 !== undefined) {
    // Missing in a kernel without swap accounting. May never be below the other: it is raised first and lowered last.
    const withSwap = () => write(join(v1, 'memory.memsw.limit_in_bytes'), String(memoryBytes));
    withSwap();
    const problem = write(join(v1, 'memory.limit_in_bytes'), String(memoryBytes));
    withSwap();
    return problem && `memory is not limited: ${problem}`;
  }
  const v2 = holderOf(folders, 'memory.max');
  if (v2 === undefined) return 'memory is not limited: no hierarchy has the controller';
  const problem = write(join(v2, 'memory.max'), String(memoryBytes));
  write(join(v2, 'memory.swap.max'), '0');
  return problem && `memory is not limited: ${problem}`;
}

/** Version 1 refuses a quota larger than an ancestor's; that ancestor's quota is then the limit. */
function limitCpu(folders: readonly string[], { cpus }: CgroupLimits): string | undefined {
  const quota = String(Math.round(cpus * PERIOD_US));
  const v1 = holderOf(folders, 'cpu.cfs_quota_us');
  if (v1 !== undefined) {
    if (hasQuotaAbove(v1)) return undefined;
    const file = join(v1, 'cpu.cfs_quota_us');
    const problem = write(join(v1, 'cpu.cfs_period_us'), String(PERIOD_US)) ?? write(file, quota);
    return problem && `CPU time is not limited: ${problem}`;
  }
  const v2 = holderOf(folders, 'cpu.max');
  if (v2 === undefined) return 'CPU time is not limited: no hierarchy has the controller';
  const problem = write(join(v2, 'cpu.max'), `${quota} ${PERIOD_US}`);
  return problem && `CPU time is not limited: ${problem}`;
}

/** Whether an ancestor has a quota. The kernel would also refuse to lower that one below ours when a pod is resized. */
function hasQuotaAbove(folder: string): boolean {
  for (let dir = dirname(folder); ; dir = dirname(dir)) {
    const file = join(dir, 'cpu.cfs_quota_us');
    if (!existsSync(file)) return false;
    if (Number(readFileSync(file, 'utf8')) > 0) return true;
  }
}

function limitPids(folders: readonly string[], { pids }: CgroupLimits): string | undefined {
  const folder = holderOf(folders, 'pids.max');
  if (folder === undefined)
    return 'the number of processes is not limited: no hierarchy has the pids controller';
  const problem = write(join(folder, 'pids.max'), String(pids));
  return problem && `the number of processes is not limited: ${problem}`;
}

/** A device that the parent group denies cannot be allowed here; only what needs that device notices. */
function limitDevices(folders: readonly string[], { devices }: CgroupLimits): string | undefined {
  const folder = holderOf(folders, 'devices.deny');
  if (folder === undefined || devices === undefined) return undefined;
  const problem = write(join(folder, 'devices.deny'), 'a');
  if (problem !== undefined) return `devices are not limited: ${problem}`;
  const opened = devices.map(({ type, major, minor }) => `${type} ${major}:${minor} rw`);
  // mknod is allowed for all: the files daemon makes nodes for the guest, and its mounts are nodev.
  for (const rule of [...opened, 'c *:* m', 'b *:* m']) write(join(folder, 'devices.allow'), rule);
  return undefined;
}

function holderOf(folders: readonly string[], file: string): string | undefined {
  return folders.find((folder) => existsSync(join(folder, file)));
}

function write(file: string, text: string): string | undefined {
  try {
    const fd = openSync(file, constants.O_WRONLY);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
