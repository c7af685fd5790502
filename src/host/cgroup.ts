/** Control groups of the host, version 1, 2 and hybrid: one folder per hierarchy for the VM's processes. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyLimits, type CgroupLimits } from './cgroup-limits.ts';
import { checkedPath, groupOf, parentOf } from './cgroup-path.ts';
import { type MountInfo, readMountinfo } from './mountinfo.ts';
import { sha256Hex } from './sha256.ts';

/** A control group: the same path in every mounted hierarchy. */
export interface Cgroup {
  /** Path below the mount of each hierarchy, begins with `/`. */
  readonly path: string;
  /** Absolute folders, one per hierarchy. */
  readonly folders: readonly string[];
  /** Files a process writes `0` into to join. */
  readonly procsFiles: readonly string[];
  /** Its folder in the hierarchy of version 2, which lets devices in by a program; undefined without one. */
  readonly unified: string | undefined;
  /** Limits what is in it, before anything is; gives what could not be limited, one sentence each. */
  limit(limits: CgroupLimits): readonly string[];
  /** Pids in it now, each once; without those that this process's pid namespace does not see, which the kernel calls 0. */
  procs(): number[];
  /** How many of its processes the kernel killed for want of memory; 0 when it cannot be told. */
  oomKills(): number;
  /** SIGKILL to all that is in it, until it is empty; throws at the limit. Nothing there is fine. */
  kill(limits?: { timeoutMs: number }): Promise<void>;
  /** Removes the folders, waits for dying processes; throws at the limit. Nothing there is fine. */
  remove(limits?: { timeoutMs: number }): Promise<void>;
}

/** One mounted cgroup hierarchy. */
export interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** Version 1: its controllers or its name, as `/proc/<pid>/cgroup` has them; empty for version 2. */
  readonly controllers: string;
}

const DEFAULT_LIMIT = { timeoutMs: 3000 };

/** The hierarchies below `/sys/fs/cgroup`: all of version 1 (named ones too) and version 2, each once. */
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

/** Our folder for sandboxes whose spec names no parent. */
const OWN_PARENT = '/bulkhead';

/** A group of ours beside the one that the spec names, so below the pod's limits. */
export function groupBeside(cgroupsPath: string, name: string): string {
  const parent = parentOf(cgroupsPath) ?? '/';
  return checkedPath(`${parent === '/' ? OWN_PARENT : parent}/${OWN_PREFIX}${name}`);
}

/** What the names of our own groups begin with. */
export const OWN_PREFIX = 'bulkhead-';

/** The groups of a sandbox. */
export interface SandboxGroups {
  /** Of the VMM and the file system daemon. */
  readonly vm: string;
  /** Of the shim and its helpers, beside the VM's. */
  readonly shim: string;
}

/**
 * Where a sandbox's processes go. The VM of a pod is in the very group that its spec names, where the kubelet and cAdvisor look for the
 * pod's network by the id in the last name; unless somebody has made that group, whose processes would not be ours to end.
 *
 * Elsewhere `bulkhead-<namespace>:<id>`: neither part can have the colon. The shim's has a name in which nobody finds an id:
 * cAdvisor takes any 64 hexadecimal digits for a container's.
 */
export function sandboxGroups(
  cgroupsPath: string,
  { namespace, id, pod }: { readonly namespace: string; readonly id: string; readonly pod: boolean },
): SandboxGroups {
  const name = `${namespace}:${id}`;
  const hash = sha256Hex(name).slice(0, 32);
  const own = pod ? groupOf(cgroupsPath) : undefined;
  return {
    vm:
      own !== undefined && !groupExists(own)
        ? own
        : groupBeside(cgroupsPath, name.length > MAX_NAME ? hash : name),
    shim: groupBeside(cgroupsPath, `shim-${hash}`),
  };
}

/** What a folder's name may have, less our prefix. */
const MAX_NAME = 255 - OWN_PREFIX.length;

function groupExists(path: string): boolean {
  return openCgroup(path).folders.some((folder) => existsSync(folder));
}

/**
 * The control group at a path, whether it exists or not; for cleaning up.
 * @throws Error when the path leaves the mount.
 */
export function openCgroup(path: string): Cgroup {
  return new HostCgroup(checkedPath(path), readHierarchies());
}

/**
 * Makes the control group in every hierarchy; one that exists is taken as it is.
 * @throws Error when a folder cannot be made; what was made is then removed.
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

/** Makes each level; a parallel removal of an empty parent of ours is why it may take more than one attempt. */
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

/** So that the leaf has statistics; a folder that cannot (it has processes of its own) keeps what it has. */
function enableControllers(folder: string): void {
  try {
    const wanted = readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
    const on = new Set(readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8').trim().split(' '));
    const missing = wanted.filter((c) => ['cpu', 'memory', 'pids', 'io'].includes(c) && !on.has(c));
    if (missing.length > 0) {
      writeFileSync(join(folder, 'cgroup.subtree_control'), missing.map((c) => `+${c}`).join(' '));
    }
  } catch {
    // Limits are the pod's; without statistics of our own the VM still runs.
  }
}

/** A fresh cpuset of version 1 has neither CPUs nor memory nodes, and nobody can join it. */
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
      // Version 2 kills all at once, also what forks meanwhile; version 1 needs another look.
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
      await timer; // the folder is gone: nothing to watch
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
    return ''; // not there (any more)
  }
}

function killPid(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone meanwhile
  }
}

/** rmdir(2); gone already is fine. A folder with processes or subfolders is an error for the caller to weigh. */
function removeFolder(folder: string): Error | undefined {
  try {
    rmdirSync(folder);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error);
  }
}
