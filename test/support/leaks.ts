// What a container leaves on the host: processes, mounts, folders, cgroups, sockets; compared before and after.
import { createHash } from 'node:crypto';
import { globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import type { Process } from '../../scripts/stand/processes.ts';
import { waitFor } from '../../scripts/stand/wait.ts';

/** Where Go shims, and ours, put their sockets. */
export const socketDir = '/run/containerd/s';

/** A containerd, real or played, as far as leak checks look at it. */
export interface Host {
  readonly dir: string;
  readonly namespace: string;
  /** Where cgroups are looked for, when it is not the namespace. */
  readonly mark?: string;
  readonly address: string;
  readonly bulkheadState: string;
  processes(): Process[];
  log(): string;
}

/** What belongs to one daemon at one moment; each line names one thing. */
export type Belongings = Set<string>;

/** Lists what the daemon's containers hold right now. `ids` are those whose sockets are looked for by name. */
export function belongings(daemon: Host, ids: readonly string[] = []): Belongings {
  return new Set([
    ...daemon.processes().map((one) => `process ${one.pid} ${one.command.slice(0, 160) || one.name}`),
    ...mountsBelow(daemon.dir).map((point) => `mount ${point}`),
    ...bundles(daemon).map((path) => `bundle ${path}`),
    ...tree(daemon.bulkheadState, 2).map((path) => `state ${path}`),
    ...tree(join(daemon.dir, 'f'), 2).map((path) => `fifo ${path}`),
    ...cgroups(daemon.mark ?? daemon.namespace).map((path) => `cgroup ${path}`),
    ...ownCgroups(daemon.namespace).map((path) => `cgroup ${path}`),
    ...sockets(daemon, ids).map((path) => `socket ${path}`),
  ]);
}

/**
 * Waits until nothing is there that was not there at `before`. The limit covers the shim's own teardown after
 * containerd has let go of it. Rejects with one line per thing left; what was reported once joins `before`, so that
 * one leak does not fail every later check.
 */
export async function assertNothingNew(
  daemon: Host,
  before: Belongings,
  ids: readonly string[] = [],
  timeoutMs = 10_000,
): Promise<void> {
  let left: string[] = [];
  const clean = (): boolean => {
    left = [...belongings(daemon, ids)].filter((line) => !before.has(line));
    return left.length === 0;
  };
  await waitFor('clean host', clean, timeoutMs, 50).catch(() => {
    for (const line of left) before.add(line);
    throw new Error(
      `left behind after ${timeoutMs} ms:\n  ${left.join('\n  ')}\n--- containerd\n${daemon.log().slice(-1000)}`,
    );
  });
}

/** The socket that the convention gives to an id: sha256 of address/namespace/id. */
export function conventionalSocket(address: string, namespace: string, id: string): string {
  return join(
    socketDir,
    createHash('sha256')
      .update(join(address, namespace, id))
      .digest('hex'),
  );
}

function bundles(daemon: Host): string[] {
  return [join(daemon.dir, 's'), join(daemon.dir, 'r')].flatMap((dir) =>
    tree(join(dir, 'io.containerd.runtime.v2.task', daemon.namespace), 1),
  );
}

function sockets(daemon: Host, ids: readonly string[]): string[] {
  const conventional = ids.map((id) => conventionalSocket(daemon.address, daemon.namespace, id));
  const noted = bundles(daemon).flatMap((bundle) =>
    readText(join(bundle, 'address')).replace(/^unix:\/\//, ''),
  );
  return [...new Set([...conventional, ...noted])].filter((path) => path !== '' && exists(path));
}

/** Folders of the namespace in every cgroup hierarchy; the namespace's own folder is containerd's, not the container's. */
function cgroups(namespace: string): string[] {
  const root = '/sys/fs/cgroup';
  const hierarchies = [root, ...list(root).map((name) => join(root, name))];
  return hierarchies.flatMap((dir) =>
    tree(join(dir, namespace), 1).filter((path) => statSync(path).isDirectory()),
  );
}

/** Groups of sandboxes whose spec names none; other daemons have sandboxes in k8s.io, too. */
function ownCgroups(namespace: string): string[] {
  if (namespace === 'k8s.io') return [];
  return globSync(`/sys/fs/cgroup/{,*/}bulkhead/bulkhead-${namespace}:*`);
}

/** Everything below a folder, down to `depth` levels. */
function tree(dir: string, depth: number): string[] {
  const paths = list(dir).map((name) => join(dir, name));
  return depth <= 1 ? paths : paths.flatMap((path) => [path, ...tree(path, depth - 1)]);
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}
