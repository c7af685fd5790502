/** Network namespaces of the host: is a path one, and is it the host's own. */
import { readlinkSync, realpathSync, statSync } from 'node:fs';
import { readMountinfo } from './mountinfo.ts';

export type NetnsKind = 'own' | 'host' | 'missing' | 'other-file';

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function identity(path: string): string | undefined {
  try {
    const stat = statSync(path);
    return `${stat.dev}:${stat.ino}`;
  } catch {
    return undefined; // gone, or not ours to look at (process 1 in some containers)
  }
}

/** Tells one network namespace from another as long as it exists; undefined when nothing is at the path. */
export function netnsIdentity(path: string): string | undefined {
  return identity(path);
}

/** Whether the path leads to a network namespace: `/proc/<pid>/ns/net`, or a bind mount of one. */
export function isNetns(path: string): boolean {
  if (linkTarget(path)?.startsWith('net:[')) return true;
  // The mount table has paths without links; containerd says /var/run, which is one.
  const real = realPath(path);
  return readMountinfo().some(
    (m) => m.mountPoint === real && m.type === 'nsfs' && m.root.startsWith('net:['),
  );
}

/**
 * What a `linux.namespaces` path of type network is: a namespace of its own, the host's (a VM cannot have
 * that one), not there, or something else.
 */
export function netnsKind(path: string): NetnsKind {
  const id = identity(path);
  if (id === undefined) return 'missing';
  if (!isNetns(path)) return 'other-file';
  return id === identity('/proc/1/ns/net') || id === identity('/proc/self/ns/net') ? 'host' : 'own';
}
