/**
 * The control group of this process itself: joined for the life of a sandbox, so that what the shim and its helpers take
 * is the pod's, and so that whoever finds the shim dead can end the helpers it left.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cgroup, createCgroup, type Hierarchy, readHierarchies } from './cgroup.ts';
import { parentPid } from './process.ts';

/** How long the group may take to empty itself when it is left. */
const LEAVE_MS = 1_000;

/** A group of one hierarchy, by its `cgroup.procs` and that of the hierarchy's top. */
export interface Place {
  readonly file: string;
  readonly top: string;
}

export class OwnCgroup {
  /** Where the process was, in each hierarchy. */
  #home: readonly Place[] = [];
  #joined: Cgroup | undefined;

  /** Moves this process; children from now on start there. Other processes of ours stay where they are. */
  async join(path: string): Promise<void> {
    this.#home = placesFrom(readFileSync('/proc/self/cgroup', 'utf8'), readHierarchies());
    this.#joined = await createCgroup(path);
    await enter(process.pid, this.#joined.procsFiles);
  }

  /** Moves a process and its children to where this one came from: they have a life of their own. Nothing is fine. */
  async letGo(pid: number): Promise<void> {
    if (this.#joined === undefined) return;
    await goHome(pid, this.#home);
    const children = this.#joined.procs().filter((one) => descendsFrom(pid, one));
    await Promise.all(children.map((child) => goHome(child, this.#home)));
  }

  /** Lets go of what no living process of ours has started: a daemon that a hook has left on purpose. */
  async letGoOfOrphans(): Promise<void> {
    const orphans = this.#joined?.procs().filter((pid) => !descendsFrom(process.pid, pid)) ?? [];
    await Promise.all(orphans.map((pid) => this.letGo(pid)));
  }

  /**
   * Moves everything back to where it came from and removes the group; idempotent.
   * @throws Error when the group cannot be removed.
   */
  async leave(): Promise<void> {
    const cgroup = this.#joined;
    if (cgroup === undefined) return;
    const end = performance.now() + LEAVE_MS;
    // What a child forks meanwhile needs another look.
    for (let pids = cgroup.procs(); pids.length > 0 && performance.now() < end; pids = cgroup.procs())
      await Promise.all(pids.map((pid) => goHome(pid, this.#home)));
    this.#joined = undefined;
    await cgroup.remove({ timeoutMs: LEAVE_MS });
  }
}

/** The files by which a process returns to what its `/proc/self/cgroup` says; to the top where that is not visible. */
export function placesFrom(text: string, hierarchies: readonly Hierarchy[]): Place[] {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controllers !== undefined) paths.set(controllers, path.join(':'));
  }
  return hierarchies.map(({ mountPoint, controllers }) => {
    const path = paths.get(controllers) ?? '/';
    const top = join(mountPoint, 'cgroup.procs');
    return { file: path.split('/').includes('..') ? top : join(mountPoint, path, 'cgroup.procs'), top };
  });
}

/** One after the other: the first move of a while waits some ms for the kernel, and would block a thread of libuv each. */
async function enter(pid: number, files: readonly string[]): Promise<void> {
  for (const file of files) await writeFile(file, String(pid), { flag: 'r+' });
}

/** A group that was removed meanwhile, or may hold no processes any more, is replaced by the top of its hierarchy. */
async function goHome(pid: number, home: readonly Place[]): Promise<void> {
  for (const { file, top } of home)
    await enter(pid, [file]).catch(() => enter(pid, [top]).catch(() => undefined));
}

function descendsFrom(ancestor: number, pid: number): boolean {
  for (let one: number | undefined = pid; one !== undefined && one > 1; one = parentPid(one))
    if (one === ancestor) return true;
  return false;
}
