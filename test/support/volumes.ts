// Volumes of a pod as a kubelet makes them on the host: the paths, file systems, modes and links that runtimes see.
import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import type { Pod } from './pod.ts';

export interface Ownership {
  readonly mode?: number;
  readonly gid?: number;
}

/** A memory-backed emptyDir: a tmpfs with the limit, and the mode and group that the kubelet gives for an fsGroup. */
export async function memoryEmptyDir(
  pod: Pod,
  name: string,
  size?: string,
  owner: Ownership = {},
): Promise<string> {
  const path = pod.volumePath('empty-dir', name);
  mkdirSync(path, { recursive: true });
  const options = size === undefined ? [] : ['-o', `size=${size}`];
  await mustRun('mount', ['-t', 'tmpfs', ...options, 'tmpfs', path]);
  own(path, owner);
  return path;
}

/** An emptyDir of huge pages. */
export async function hugepageEmptyDir(
  pod: Pod,
  name: string,
  pageSize: string,
  size: string,
): Promise<string> {
  const path = pod.volumePath('empty-dir', name);
  mkdirSync(path, { recursive: true });
  await mustRun('mount', ['-t', 'hugetlbfs', '-o', `pagesize=${pageSize},size=${size}`, 'nodev', path]);
  own(path, {});
  return path;
}

/** A disk-backed emptyDir: a folder. */
export function diskEmptyDir(pod: Pod, name: string, owner: Ownership = {}): string {
  const path = pod.volumePath('empty-dir', name);
  mkdirSync(path, { recursive: true });
  own(path, owner);
  return path;
}

function own(path: string, { mode = 0o777, gid = 0 }: Ownership): void {
  chownSync(path, 0, gid);
  chmodSync(path, gid === 0 ? mode : 0o2000 | mode);
}

/** A config map, secret, projected or downward volume: files behind a link that is switched all at once. */
export class AtomicVolume {
  readonly path: string;
  #generation = 0;

  constructor(pod: Pod, plugin: 'configmap' | 'secret' | 'projected' | 'downward-api', name: string) {
    this.path = pod.volumePath(plugin, name);
    mkdirSync(this.path, { recursive: true });
  }

  /** Writes a new generation and switches to it, as the kubelet's writer does; what is gone loses its link. */
  write(files: Readonly<Record<string, string>>, mode = 0o644): void {
    const generation = `..2026_11_21_${++this.#generation}`;
    const dir = join(this.path, generation);
    mkdirSync(dir, { mode: 0o755 });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode });
    const draft = join(this.path, '..data_tmp');
    symlinkSync(generation, draft);
    renameSync(draft, join(this.path, '..data'));
    for (const name of Object.keys(files)) {
      rmSync(join(this.path, name), { force: true });
      symlinkSync(join('..data', name), join(this.path, name));
    }
    const old = join(this.path, `..2026_11_21_${this.#generation - 1}`);
    rmSync(old, { recursive: true, force: true });
  }

  get name(): string {
    return basename(this.path);
  }
}
