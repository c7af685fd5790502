/** Cgroups of the host, version 1, 2 and hybrid: a group has one folder in each hierarchy. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyLimits, type CgroupLimits } from './cgroup-limits.ts';
import { checkedPath } from './cgroup-path.ts';
import { type MountInfo, readMountinfo } from './mountinfo.ts';

/** A cgroup: the same path in every mounted hierarchy. */
export interface Cgroup {
  /** Path below the mount of each hierarchy; begins with `/`. */
  readonly path: string;
  /** Absolute folders, one per hierarchy. */
  readonly folders: readonly string[];
  /** The `cgroup.procs` files: writing a pid, or `0` for the writer itself, moves that process in. */
  readonly procsFiles: readonly string[];
  /** Its folder in the version 2 hierarchy, where a BPF program filters devices; undefined without one. */
  readonly unified: string | undefined;
  /** Sets its limits, even while it has processes; returns what could not be limited, one sentence each. */
  limit(limits: CgroupLimits): readonly string[];
  /** The pids in it, without duplicates. Leaves out those outside our pid namespace, which the kernel lists as 0. */
  procs(): number[];
  /** How many of its processes the OOM killer has killed; 0 when that is unknown. */
  oomKills(): number;
  /** Sends SIGKILL until the group is empty or missing. @throws Error after `timeoutMs` (default 3 s). */
  kill(limits?: { timeoutMs: number }): Promise<void>;
  /** Removes the folders, waiting for dying processes; missing ones are fine. @throws Error after `timeoutMs`. */
  remove(limits?: { timeoutMs: number }): Promise<void>;
}

/** One mounted cgroup hierarchy. */
export interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** Version 1: its controllers or its name, as in `/proc/<pid>/cgroup`; empty for version 2. */
  readonly controllers: string;
}

const DEFAULT_LIMIT = { timeoutMs: 3000 };

/** The hierarchies mounted below `/sys/fs/cgroup`, each once: version 1 (named ones too) and version 2. */
export function hierarchiesFrom(mounts: readonly MountInfo[]): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const mount of mounts) {
    const version = mount.type === 'cgroup2' ? 2 : mount.type === 'cgroup' ? 1 : undefined;
    if (!version || mount.root !== '/' || !mount.mountPoint.startsWith('/sys/fs/cgroup')) continue;
    if (found.has(mount.device)) continue;
    const controllers = version === 2 ? '' : controllersOf(mount);
    found.set(mount.device, { mountPoint: mount.mountPoint, version, controllers });
  }
  return [...found.values()];
}

const NOT_CONTROLLERS = ['rw', 'ro', 'clone_children', 'xattr', 'noprefix', 'cpuset_v2_mode', 'favordynmods'];

function controllersOf({ superOptions }: MountInfo): string {
  return superOptions
    .filter((option) => !NOT_CONTROLLERS.includes(option) && !option.startsWith('release_agent='))
    .join(',');
}

/** All hierarchies of this host. */
export function readHierarchies(): Hierarchy[] {
  return hierarchiesFrom(readMountinfo());
}

/** Parent of the groups of sandboxes whose spec names none; removed with the last of them. */
export const OWN_PARENT = '/bulkhead';

/**
 * The cgroup at a path, whether or not it exists; for cleaning up.
 * @throws Error when the path leaves the mount.
 */
export function openCgroup(path: string): Cgroup {
  return new HostCgroup(checkedPath(path), readHierarchies());
}

/**
 * Creates the cgroup in every hierarchy; one that exists is used as it is.
 * @throws Error when a folder cannot be created; those already created are then removed.
 */
export async function createCgroup(path: string): Promise<Cgroup> {
  const hierarchies = readHierarchies();
  if (hierarchies.length === 0) throw new Error('no cgroup hierarchy is mounted below /sys/fs/cgroup');
  const cgroup = new HostCgroup(checkedPath(path), hierarchies);
  if (cgroup.path === '/') throw new Error('the root control group cannot be used for a VM');
  try {
    for (const hierarchy of hierarchies) makeFolder(hierarchy, cgroup.path);
  } catch (error) {
    await cgroup.remove().catch(() => undefined);
    throw new Error(`cannot make the control group ${cgroup.path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return cgroup;
}

/** Creates each level. Retries, because another shim may remove an empty parent of ours at the same time. */
function makeFolder(hierarchy: Hierarchy, path: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      let folder = hierarchy.mountPoint;
      for (const name of path.slice(1).split('/')) {
        if (hierarchy.version === 2) enableControllers(folder);
        folder = join(folder, name);
        makeLevel(folder);
        if (hierarchy.version === 1) inheritCpuset(folder);
      }
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt >= 4) throw error;
    }
  }
}

function makeLevel(folder: string): void {
  try {
    mkdirSync(folder, 0o755);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Enables the leaf's controllers; a folder where that fails (it has processes itself) stays as it is. */
function enableControllers(folder: string): void {
  try {
    const wanted = readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
    const on = new Set(readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8').trim().split(' '));
    const missing = wanted.filter((c) => ['cpu', 'memory', 'pids', 'io'].includes(c) && !on.has(c));
    if (missing.length > 0) {
      writeFileSync(join(folder, 'cgroup.subtree_control'), missing.map((c) => `+${c}`).join(' '));
    }
  } catch {
    // The pod's limits still hold, and the VM runs without statistics of its own.
  }
}

/** A new version 1 cpuset has neither CPUs nor memory nodes, and no process can join it until it has. */
function inheritCpuset(folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const path = join(folder, file);
    if (!existsSync(path)) return;
    if (readFileSync(path, 'utf8').trim() !== '') continue;
    writeFileSync(path, readFileSync(join(dirname(folder), file), 'utf8').trim());
  }
}

class HostCgroup implements Cgroup {
  readonly path: string;
  readonly folders: readonly string[];
  readonly procsFiles: readonly string[];
  readonly unified: string | undefined;

  constructor(path: string, hierarchies: readonly Hierarchy[]) {
    this.path = path;
    this.folders = hierarchies.map((h) => join(h.mountPoint, path));
    this.procsFiles = this.folders.map((f) => join(f, 'cgroup.procs'));
    const v2 = hierarchies.find((h) => h.version === 2);
    this.unified = v2 && join(v2.mountPoint, path);
  }

  limit(limits: CgroupLimits): readonly string[] {
    return applyLimits(this.folders, limits);
  }

  procs(): number[] {
    const pids = new Set<number>();
    for (const file of this.procsFiles)
      for (const pid of readText(file).split('\n').map(Number)) if (pid > 0) pids.add(pid);
    return [...pids];
  }

  oomKills(): number {
    // Version 2 counts in memory.events, version 1 in memory.oom_control; both as "oom_kill <n>".
    const texts = this.folders.flatMap((f) => ['memory.events', 'memory.oom_control'].map((n) => join(f, n)));
    return Math.max(0, ...texts.map((path) => Number(/^oom_kill (\d+)$/m.exec(readText(path))?.[1] ?? 0)));
  }

  async kill(limits = DEFAULT_LIMIT): Promise<void> {
    const end = performance.now() + limits.timeoutMs;
    for (let step = 1; ; step = Math.min(step * 2, 50)) {
      const pids = this.procs();
      if (pids.length === 0) return;
      const left = end - performance.now();
      if (left <= 0)
        throw new Error(`processes ${pids.join(', ')} in the control group ${this.path} do not end`);
      // Version 2 kills all at once, concurrent forks included; version 1 needs another pass.
      if (!this.#killAtOnce()) for (const pid of pids) killPid(pid);
      await this.#changed(Math.min(left, this.unified ? 100 : step));
    }
  }

  async remove(limits = DEFAULT_LIMIT): Promise<void> {
    const end = performance.now() + limits.timeoutMs;
    for (let step = 1; ; step = Math.min(step * 2, 50)) {
      const errors = this.folders.map(removeFolder).filter((e) => e !== undefined);
      const [first] = errors;
      if (!first) break;
      if (performance.now() >= end)
        throw new Error(`cannot remove ${this.path}: ${first.message}`, { cause: first });
      await sleep(step);
    }
    if (dirname(this.path) === OWN_PARENT) for (const folder of this.folders) removeFolder(dirname(folder));
  }

  #killAtOnce(): boolean {
    if (!this.unified) return false;
    try {
      writeFileSync(join(this.unified, 'cgroup.kill'), '1', { flag: 'r+' });
      return true;
    } catch {
      return false; // before Linux 5.14, or the folder is gone
    }
  }

  /** Resolves when version 2 reports a change, and after `waitMs` in any case. */
  async #changed(waitMs: number): Promise<void> {
    const stop = new AbortController();
    const timer = sleep(waitMs, undefined, { signal: stop.signal }).catch(() => undefined);
    let watcher: ReturnType<typeof watch> | undefined;
    try {
      if (this.unified) {
        watcher = watch(join(this.unified, 'cgroup.events'), () => stop.abort());
        watcher.on('error', () => undefined);
        if (this.procs().length === 0) return;
      }
      await timer;
    } catch {
      await timer; // the folder is gone, so there is nothing to watch
    } finally {
      watcher?.close();
      stop.abort();
    }
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // missing or removed
  }
}

function killPid(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has exited
  }
}

/** rmdir(2); a missing folder is fine. Returns the error when it still has processes or subfolders. */
function removeFolder(folder: string): Error | undefined {
  try {
    rmdirSync(folder);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error);
  }
}
