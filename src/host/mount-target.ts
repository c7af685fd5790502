/** Makes the file or folder that something is mounted on, below a root, without following a symbolic link. */
import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { isWithin } from './mountinfo.ts';

// Not among Node's constants; the value is the same on all architectures that Node supports on Linux.
const O_PATH = 0o10000000;
const OPEN_FOLDER = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export type TargetKind = 'folder' | 'file';

/** What a mount of `source` needs as its target: a folder for a folder, a file for anything else. */
export function targetKindOf(source: string): TargetKind {
  return statSync(source).isDirectory() ? 'folder' : 'file';
}

/** The mkdir(2) and open(2) calls go through `/proc/self/fd`, so each step stays in the folder just opened. */
function at(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`;
}

function makeEntry(fd: number, name: string, kind: TargetKind): void {
  try {
    if (kind === 'folder') mkdirSync(at(fd, name), { mode: 0o755 });
    else {
      const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
      closeSync(openSync(at(fd, name), flags, 0o644));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Makes `target` (an absolute path below `root`) and the folders on the way; what exists is kept.
 * @throws Error when the target is outside of the root, or a symbolic link or wrong kind is in the way.
 */
export function createMountTarget(root: string, target: string, kind: TargetKind): void {
  if (!isWithin(root, join(target, '.'))) throw new Error(`the mount target ${target} is outside of ${root}`);
  const names = relative(root, target).split(sep);
  if (names.includes('..')) throw new Error(`the mount target ${target} is outside of ${root}`);
  let fd = openSync(root, OPEN_FOLDER);
  try {
    for (const [index, name] of names.entries()) {
      if (name === '') continue;
      const last = index === names.length - 1;
      const wanted = last ? kind : 'folder';
      makeEntry(fd, name, wanted);
      const next = openEntry(fd, name, wanted, target);
      closeSync(fd);
      fd = next;
    }
  } finally {
    closeSync(fd);
  }
}

function openEntry(fd: number, name: string, kind: TargetKind, target: string): number {
  const wrong = (what: string, cause?: unknown) =>
    new Error(
      `cannot make the mount target ${target}: ${name} ${what}`,
      cause === undefined ? undefined : { cause },
    );
  if (kind === 'folder') {
    try {
      return openSync(at(fd, name), OPEN_FOLDER);
    } catch (error) {
      throw wrong('is in the way', error);
    }
  }
  // With O_PATH, O_NOFOLLOW opens a symbolic link itself.
  const file = openSync(at(fd, name), O_PATH | constants.O_NOFOLLOW);
  const stat = fstatSync(file);
  if (!stat.isDirectory() && !stat.isSymbolicLink()) return file;
  closeSync(file);
  throw wrong(stat.isDirectory() ? 'is a folder, the source is not' : 'is a symbolic link in the way');
}
