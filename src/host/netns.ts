/** Network namespaces: whether a path is one, and whether it is the host's own. */
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
    return undefined; // gone, or not permitted (process 1 in some containers)
  }
}

/** Device and inode at a path, which identify a namespace for as long as it exists; undefined when nothing is there. */
export function netnsIdentity(path: string): string | undefined {
  return identity(path);
}

/** Whether the path leads to a network namespace: `/proc/<pid>/ns/net`, or a bind mount of one. */
export function isNetns(path: string): boolean {
  if (linkTarget(path)?.startsWith('net:[')) return true;
  // The mount table has resolved paths; containerd passes /var/run, which is a link.
  const real = realPath(path);
  return readMountinfo().some(
    (m) => m.mountPoint === real && m.type === 'nsfs' && m.root.startsWith('net:['),
  );
}

/**
 * What a `linux.namespaces` path of type network is: a separate namespace, the host's (which a VM cannot have),
 * missing, or something else.
 */
export function netnsKind(path: string): NetnsKind {
  const id = identity(path);
  if (id === undefined) return 'missing';
  if (!isNetns(path)) return 'other-file';
  return id === identity('/proc/1/ns/net') || id === identity('/proc/self/ns/net') ? 'host' : 'own';
}
