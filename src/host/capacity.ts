/** What this host has: memory, CPUs, and the cgroup version it uses. */
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export interface HostCapacity {
  readonly memoryMib: number;
  /** CPUs that this process may run on. */
  readonly cpus: number;
}

/** MemTotal of /proc/meminfo in MiB. */
export function parseMemTotal(meminfo: string): number {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  if (kib === undefined) throw new Error('/proc/meminfo has no MemTotal');
  return Math.floor(Number(kib) / 1024);
}

export function hostCapacity(): HostCapacity {
  return { memoryMib: parseMemTotal(readFileSync('/proc/meminfo', 'utf8')), cpus: availableParallelism() };
}

const CGROUP2_MAGIC = 0x63677270;

/** 2 when `/sys/fs/cgroup` itself is the unified hierarchy, else 1 (hybrid counts as 1, as in containerd). */
export function cgroupVersion(): 1 | 2 {
  try {
    return statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC ? 2 : 1;
  } catch {
    return 1;
  }
}
