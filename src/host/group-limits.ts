/** The limits of a pod's cgroup, read where the kubelet has written them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readHierarchies } from './cgroup.ts';
import { parentOf } from './cgroup-path.ts';

/** A missing member means no limit, or one that was not read. */
export interface GroupLimits {
  readonly memoryBytes?: number | undefined;
  /** CPUs' worth of time. */
  readonly cpus?: number | undefined;
  /** What the kernel reserves for it: the sum of requests, where the kubelet writes that (MemoryQoS, version 2). */
  readonly reservedBytes?: number | undefined;
}

/** A higher limit means "none": version 1 shows that as 2^63 minus one page. */
const NO_LIMIT_BYTES = 2 ** 50;

/**
 * @param read returns a file of the group, from whichever hierarchy has it: `memory.limit_in_bytes` and
 * `cpu.cfs_{quota,period}_us` (version 1), `memory.max`, `memory.min` and `cpu.max` (2); undefined: no such file.
 */
export function groupLimitsFrom(read: (file: string) => string | undefined): GroupLimits {
  const words = (file: string) => read(file)?.trim().split(/\s+/) ?? [];
  const [quota, period] =
    read('cpu.max') === undefined
      ? [words('cpu.cfs_quota_us')[0], words('cpu.cfs_period_us')[0]]
      : words('cpu.max');
  const cpus = Number(quota) / Number(period);
  return {
    memoryBytes: bytesOf(words('memory.max')[0] ?? words('memory.limit_in_bytes')[0]),
    cpus: cpus > 0 && Number.isFinite(cpus) ? cpus : undefined,
    reservedBytes: bytesOf(words('memory.min')[0]),
  };
}

/** "max" is not a number and counts as no limit. */
function bytesOf(word: string | undefined): number | undefined {
  const bytes = Number(word);
  return bytes > 0 && bytes < NO_LIMIT_BYTES ? bytes : undefined;
}

/**
 * The limits of the parent of a pod's `linux.cgroupsPath`. A group that does not exist, or the root, has none.
 * @throws Error when the path is malformed.
 */
export function podGroupLimits(cgroupsPath: string): GroupLimits {
  const parent = parentOf(cgroupsPath) ?? '/';
  if (parent === '/') return {};
  const folders = readHierarchies().map(({ mountPoint }) => join(mountPoint, parent));
  return groupLimitsFrom((file) => {
    for (const folder of folders) {
      try {
        return readFileSync(join(folder, file), 'utf8');
      } catch {
        // Another hierarchy may have it.
      }
    }
    return undefined;
  });
}
