/**
 * How large the file systems in the guest's memory may become. What is in them cannot be taken back: full ones must leave
 * the guest what it needs to live, whatever the host's own may take of the host. Pure.
 */
import { posix } from 'node:path';
import { type ClassifiedMount, type MountTableEntry, sizeOf } from '../../oci/mounts.ts';

/** What decides beside the mounts. */
export interface MemoryView {
  readonly mountTable: readonly MountTableEntry[];
  readonly vmMemoryMib: number;
  /** There are no other containers, and no emptyDirs. */
  readonly isSingle: boolean;
}

const MIB = 2 ** 20;
/** A guest without containers takes 42 MiB; the rest is for their processes. */
const LEAST_FREE = 96 * MIB;
/** What containerd and Docker give a container that asks for no size of /dev/shm. */
const DEFAULT_SHM = 64 * MIB;
const PAGE = 4096;

/**
 * Gives the sandbox's shared memory and its memory-backed emptyDirs the sizes that they may have: all of them full take no
 * more than the VM's memory without a quarter of it, at least 96 MiB, and without huge pages. `/dev/shm` has half of that at
 * most, all of it where there are no emptyDirs; these share the rest: each what it asks for, or, if that is too much,
 * the largest as much as all others that do not get what they ask for.
 */
export function boundMemory(mounts: readonly ClassifiedMount[], view: MemoryView): ClassifiedMount[] {
  return mounts.map((mount) => {
    if (mount.kind !== 'shm' && mount.kind !== 'ephemeral') return mount;
    const volumes = mount.volume === undefined ? [] : siblings(mount.volume.path, view.mountTable);
    const ofHugePages = sum(volumes.filter(({ type }) => type === 'hugetlbfs').map(sizeOrNone));
    const budget = budgetOf(view.vmMemoryMib * MIB - ofHugePages);
    const shmAsked = mounts.find(({ kind }) => kind === 'shm')?.sizeBytes ?? DEFAULT_SHM;
    const shm = Math.min(shmAsked, view.isSingle ? budget : budget / 2);
    if (mount.kind === 'shm') return { ...mount, sizeBytes: wholePages(shm) };
    const asked = volumes.filter(({ type }) => type === 'tmpfs').map((one) => sizeOf(one) ?? budget);
    const level = levelOf(asked, budget - shm);
    return { ...mount, sizeBytes: wholePages(Math.min(mount.sizeBytes ?? budget, level)) };
  });
}

function budgetOf(memory: number): number {
  const free = Math.max(LEAST_FREE, memory / 4);
  return Math.max(memory - free, memory / 4);
}

/** All volumes in the kubelet's folder of this one: it has made them before the pod's first container. */
function siblings(path: string, table: readonly MountTableEntry[]): MountTableEntry[] {
  const folder = posix.dirname(path);
  // A mount point can be covered by another mount: the last line counts.
  const byPath = new Map(table.map((entry) => [entry.mountPoint, entry]));
  return [...byPath.values()].filter(({ mountPoint }) => posix.dirname(mountPoint) === folder);
}

/** The largest size with which all fit: those that ask for less get that. */
export function levelOf(asked: readonly number[], budget: number): number {
  let left = Math.max(budget, 0);
  const rising = [...asked].sort((a, b) => a - b);
  for (const [index, size] of rising.entries()) {
    const share = left / (rising.length - index);
    if (size > share) return share;
    left -= size;
  }
  return Number.POSITIVE_INFINITY;
}

function sizeOrNone(entry: MountTableEntry): number {
  return sizeOf(entry) ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** A size of 0 would mean none. */
function wholePages(bytes: number): number {
  return Math.max(Math.floor(bytes / PAGE), 1) * PAGE;
}
