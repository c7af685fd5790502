/**
 * Parents of control groups that a spec names and nobody has made: we make them, as runc does, and take them away with the last
 * sandbox in them. Which folders are ours is told by a file for each path, `<state root>/.cgroups/<hash>`, written before they
 * are made; what was there before is never removed, and nothing that is not empty.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, ShimError } from '../base/errors.ts';
import { readHierarchies } from '../host/cgroup.ts';
import { makeFolders } from '../host/folders.ts';
import { sha256Hex } from '../host/sha256.ts';
import { stateRoot } from './state.ts';

/** Not a name that a container manager's namespace can have. */
const FOLDER = '.cgroups';

interface Claim {
  readonly path: string;
  /** Absolute, one for each hierarchy in which it was missing. */
  readonly folders: readonly string[];
}

/**
 * Notes which parents of a group are missing, before they are made with it.
 * @throws ShimError when that cannot be written.
 */
export function claimParents(group: string): void {
  const mountPoints = readHierarchies().map((hierarchy) => hierarchy.mountPoint);
  for (const path of parentsOf(group)) {
    const folders = mountPoints.map((point) => join(point, path)).filter((folder) => !existsSync(folder));
    if (folders.length === 0) return; // so those above are there, too
    if (!existsSync(fileOf(path))) write({ path, folders });
  }
}

/** Removes the parents of a group that are ours and empty. Idempotent, and fine in parallel. */
export function releaseParents(group: string): void {
  for (const path of parentsOf(group)) {
    const claim = readClaim(fileOf(path));
    if (claim !== undefined && !release(claim)) return;
  }
}

/** All paths whose folders are ours. */
export function claimedParents(): string[] {
  try {
    const files = readdirSync(join(stateRoot(), FOLDER));
    return files.flatMap((name) => readClaim(join(stateRoot(), FOLDER, name))?.path ?? []);
  } catch {
    return []; // no such folder
  }
}

/** The nearest first; without the hierarchy's root. */
function parentsOf(group: string): string[] {
  const parents: string[] = [];
  for (let path = dirname(group); path !== '/'; path = dirname(path)) parents.push(path);
  return parents;
}

function fileOf(path: string): string {
  return join(stateRoot(), FOLDER, sha256Hex(path));
}

function write(claim: Claim): void {
  const file = fileOf(claim.path);
  for (;;) {
    try {
      makeFolders(dirname(file), 0o700);
      writeFileSync(file, JSON.stringify(claim), { mode: 0o600, flag: 'wx' });
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return; // another sandbox has just noted it
      // The folder goes with the last of its files, perhaps just now.
      if (code === 'ENOENT') continue;
      removeClaim(file); // of which there may be a part
      const what = `cannot note the control group ${claim.path} in ${file}: ${messageOf(error)}`;
      throw new ShimError('failed-precondition', what, { cause: error });
    }
  }
}

function readClaim(file: string): Claim | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Claim;
  } catch {
    return undefined;
  }
}

/** @returns false when others are in it. */
function release({ path, folders }: Claim): boolean {
  for (const folder of folders) {
    try {
      rmdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return false;
    }
  }
  removeClaim(fileOf(path));
  return true;
}

/** The folder goes with the last of its files. */
function removeClaim(file: string): void {
  rmSync(file, { force: true });
  try {
    rmdirSync(dirname(file));
  } catch {
    // Others are in it, or it was never made.
  }
}
