/** Cgroup names: systemd slices, `linux.cgroupsPath`, and checked paths below a hierarchy's mount. Pure. */
import { dirname } from 'node:path';

/** The path of a slice: `/a.slice/a-b.slice` for `a-b.slice`, empty for the root `-.slice` (systemd.slice(5)). */
export function expandSlice(slice: string): string {
  if (slice === '' || slice === '-.slice') return '';
  if (!slice.endsWith('.slice') || slice.includes('/')) throw new Error(`not a slice: ${slice}`);
  const parts = slice.slice(0, -'.slice'.length).split('-');
  if (parts.some((p) => p === '')) throw new Error(`not a slice: ${slice}`);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('-')}.slice`).join('');
}

/**
 * The parent that a `linux.cgroupsPath` names, as a path below each hierarchy's mount: `/a` for `/a/b`, the expanded
 * slice for `slice:prefix:name`, undefined for an empty path.
 * @throws Error when the path leaves the mount or is malformed.
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
 * The group that a `linux.cgroupsPath` names, as runc derives it: `/a/b`, or for `slice:prefix:name` the scope
 * `prefix-name.scope` in the slice. Undefined when it names a slice, or no group below a parent.
 * @throws Error like `parentOf`.
 */
export function groupOf(cgroupsPath: string): string | undefined {
  const parent = parentOf(cgroupsPath);
  if (parent === undefined || parent === '/') return undefined;
  const parts = cgroupsPath.split(':');
  if (parts.length !== 3 || cgroupsPath.startsWith('/')) return checkedPath(cgroupsPath);
  const [, prefix, name] = parts;
  return name!.endsWith('.slice') ? undefined : checkedPath(`${parent}/${prefix}-${name}.scope`);
}

/** Normalizes a path to one that begins with `/`. @throws Error when it has `..` or control characters. */
export function checkedPath(path: string): string {
  const names = path.split('/').filter((n) => n !== '' && n !== '.');
  if (names.includes('..') || /\p{Cc}/u.test(path))
    throw new Error(`bad cgroup path ${JSON.stringify(path)}`);
  return `/${names.join('/')}`;
}
