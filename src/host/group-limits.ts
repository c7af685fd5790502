/** What the host lets a control group take: read where the kubelet has written it, at the group of a pod. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readHierarchies } from './cgroup.ts';
import { parentOf } from './cgroup-path.ts';

/** A member that is not there: nothing limits it, or nobody asked. */
export interface GroupLimits {
  readonly memoryBytes?: number | undefined;
  /** CPUs' worth of time. */
  readonly cpus?: number | undefined;
  /** What the kernel keeps for it: the sum of requests, where the kubelet writes that (MemoryQoS, version 2). */
  readonly reservedBytes?: number | undefined;
}

/** Above it a limit means "none": version 1 reads as 2^63 minus one page. */
const NO_LIMIT_BYTES = 2 ** 50;

/**
 * @param read text of a file of the group, in whichever hierarchy has it: `memory.limit_in_bytes` and
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

/** "max" is no number, so none. */
function bytesOf(word: string | undefined): number | undefined {
  const bytes = Number(word);
  return bytes > 0 && bytes < NO_LIMIT_BYTES ? bytes : undefined;
}

/**
 * The limits of the group that a pod's `linux.cgroupsPath` lies in; one that nobody made, or the top, limits nothing.
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
        // Another hierarchy has it, or none.
      }
    }
    return undefined;
  });
}
