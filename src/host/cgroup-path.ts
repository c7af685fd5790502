/** Names of control groups: systemd slices, `linux.cgroupsPath`, and what may be a path below a mount (pure). */
import { dirname } from 'node:path';

/** `a-b.slice` lies in `a.slice` (systemd.slice(5)): gives `/a.slice/a-b.slice`. `-.slice` is the root. */
export function expandSlice(slice: string): string {
  if (slice === '' || slice === '-.slice') return '';
  if (!slice.endsWith('.slice') || slice.includes('/')) throw new Error(`not a slice: ${slice}`);
  const parts = slice.slice(0, -'.slice'.length).split('-');
  if (parts.some((p) => p === '')) throw new Error(`not a slice: ${slice}`);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('-')}.slice`).join('');
}

/**
 * The parent folder that a `linux.cgroupsPath` names, as a path below the hierarchies' mounts: `/a/b` gives
 * `/a`, `slice:prefix:name` the expanded slice, an empty path nothing.
 * @throws Error when it would leave the mount or is malformed.
 */
export function parentOf(cgroupsPath: string): string | undefined {
  if (cgroupsPath === '') return undefined;
  const parts = cgroupsPath.split(':');
  if (parts.length === 3 && !cgroupsPath.startsWith('/'))
    return expandSlice(parts[0] || 'system.slice') || '/';
  const path = checkedPath(cgroupsPath);
  return path === '/' ? '/' : dirname(path);
}

/**
 * The group itself that a `linux.cgroupsPath` names, as runc calls it: `/a/b`, or for `slice:prefix:name` the scope
 * `prefix-name.scope` in the slice. Undefined where it names none below a parent of its own.
 * @throws Error as `parentOf`.
 */
export function groupOf(cgroupsPath: string): string | undefined {
  const parent = parentOf(cgroupsPath);
  if (parent === undefined || parent === '/') return undefined;
  const parts = cgroupsPath.split(':');
  if (parts.length !== 3 || cgroupsPath.startsWith('/')) return checkedPath(cgroupsPath);
  const [, prefix, name] = parts;
  return name!.endsWith('.slice') ? undefined : checkedPath(`${parent}/${prefix}-${name}.scope`);
}

/** A normalized path that begins with `/`, without `..` and without characters that no cgroup has. */
export function checkedPath(path: string): string {
  const names = path.split('/').filter((n) => n !== '' && n !== '.');
  if (names.includes('..') || /\p{Cc}/u.test(path))
    throw new Error(`bad cgroup path ${JSON.stringify(path)}`);
  return `/${names.join('/')}`;
}
