/**
 * The cgroup of this process: joined for the life of a sandbox, so that what the shim and its helpers use is accounted
 * to the pod, and so that whoever finds the shim dead can kill the helpers it left.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cgroup, createCgroup, type Hierarchy, readHierarchies } from './cgroup.ts';
import { parentPid } from './process.ts';

/** How long moving everything out of the group may take. */
const LEAVE_MS = 1_000;

/** A group in one hierarchy: its `cgroup.procs` and that of the hierarchy's root. */
export interface Place {
  readonly file: string;
  readonly top: string;
}

export class OwnCgroup {
  /** Where this process was before, in each hierarchy. */
  #home: readonly Place[] = [];
  #joined: Cgroup | undefined;

  /** Moves this process; children started from now on are in the group too, existing ones stay where they are. */
  async join(path: string): Promise<void> {
    this.#home = placesFrom(readFileSync('/proc/self/cgroup', 'utf8'), readHierarchies());
    this.#joined = await createCgroup(path);
    await enter(process.pid, this.#joined.procsFiles);
  }

  /** Moves a process that may outlive us, and its descendants, to where this one came from. No-op when not joined. */
  async letGo(pid: number): Promise<void> {
    if (this.#joined === undefined) return;
    await goHome(pid, this.#home);
    const children = this.#joined.procs().filter((one) => descendsFrom(pid, one));
    await Promise.all(children.map((child) => goHome(child, this.#home)));
  }

  /** Lets go of processes that no longer descend from us: a daemon that a hook has left on purpose. */
  async letGoOfOrphans(): Promise<void> {
    const orphans = this.#joined?.procs().filter((pid) => !descendsFrom(process.pid, pid)) ?? [];
    await Promise.all(orphans.map((pid) => this.letGo(pid)));
  }

  /**
   * Moves everything back to where this process came from and removes the group. Idempotent.
   * @throws Error when the group cannot be removed.
   */
  async leave(): Promise<void> {
    const cgroup = this.#joined;
    if (cgroup === undefined) return;
    const end = performance.now() + LEAVE_MS;
    // A child may fork meanwhile, which takes another pass.
    for (let pids = cgroup.procs(); pids.length > 0 && performance.now() < end; pids = cgroup.procs())
      await Promise.all(pids.map((pid) => goHome(pid, this.#home)));
    this.#joined = undefined;
    await cgroup.remove({ timeoutMs: LEAVE_MS });
  }
}

/** The files that take a process back to the groups in its `/proc/self/cgroup`; the root's for a group not visible. */
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

/** Sequential: a move can take the kernel some ms, and parallel ones would each block a thread of libuv. */
async function enter(pid: number, files: readonly string[]): Promise<void> {
  for (const file of files) await writeFile(file, String(pid), { flag: 'r+' });
}

/** Falls back to the root of the hierarchy when the group is gone or may no longer hold processes. */
async function goHome(pid: number, home: readonly Place[]): Promise<void> {
  for (const { file, top } of home)
    await enter(pid, [file]).catch(() => enter(pid, [top]).catch(() => undefined));
}

function descendsFrom(ancestor: number, pid: number): boolean {
  for (let one: number | undefined = pid; one !== undefined && one > 1; one = parentPid(one))
    if (one === ancestor) return true;
  return false;
}
