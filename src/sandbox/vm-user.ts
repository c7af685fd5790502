/**
 * A user and group for each VM that no other VM of the host has, so that a VMM that a guest has taken over finds nothing
 * of its own kind to reach. A number is claimed by a link, `<state root>/.users/<uid>`, which names the sandbox: made in
 * one step, so two shims cannot have the same, and readable for whoever wonders.
 */
import { readlinkSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, ShimError } from '../base/errors.ts';
import { fnv1a } from '../base/hash.ts';
import type { Config } from '../config/config.ts';
import { makeFolders } from '../host/folders.ts';
import { stateRoot } from './state.ts';

/** Not a name that a container manager's namespace can have. */
export const USERS_FOLDER = '.users';

type Range = Pick<Config['vm'], 'user' | 'firstUid' | 'uidCount'>;

/**
 * Claims a number.
 * @param owner the sandbox, `<namespace>/<id>`.
 * @param record is told of the number before it is claimed.
 * @returns 0 where the configuration wants root.
 * @throws ShimError `resource-exhausted` when all numbers are taken.
 */
export function claimUser(range: Range, owner: string, record: (uid: number) => void): number {
  if (range.user === 'root') return 0;
  // Sandboxes begin to look at different places.
  const start = fnv1a(owner);
  for (let step = 0; step < range.uidCount; step++) {
    const uid = range.firstUid + ((start + step) % range.uidCount);
    if (isTaken(uid, owner)) continue;
    record(uid);
    if (claim(uid, owner)) return uid;
  }
  throw new ShimError(
    'resource-exhausted',
    `all ${range.uidCount} users for VMs from ${range.firstUid} on are taken; raise vm.uid_count in the configuration`,
  );
}

/** Gives a number back; what is another sandbox's, or gone, stays so. */
export function releaseUser(uid: number, owner: string): void {
  if (ownerOf(uid) !== owner) return;
  rmSync(linkOf(uid), { force: true });
  removeFolder();
}

function removeFolder(): void {
  try {
    rmdirSync(join(stateRoot(), USERS_FOLDER));
  } catch {
    // Gone already, or others are in it.
  }
}

function linkOf(uid: number): string {
  return join(stateRoot(), USERS_FOLDER, String(uid));
}

function ownerOf(uid: number): string | undefined {
  try {
    return readlinkSync(linkOf(uid));
  } catch {
    return undefined;
  }
}

function isTaken(uid: number, owner: string): boolean {
  const taken = ownerOf(uid);
  return taken !== undefined && taken !== owner;
}

/** The folder goes with the last of its links, perhaps just now. */
function claim(uid: number, owner: string): boolean {
  for (;;) {
    try {
      makeFolders(join(stateRoot(), USERS_FOLDER), 0o700);
      symlinkSync(owner, linkOf(uid));
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return ownerOf(uid) === owner;
      if (code === 'ENOENT') continue;
      removeFolder();
      const what = `cannot claim a user for the VM by ${linkOf(uid)}: ${messageOf(error)}`;
      throw new ShimError('failed-precondition', what, { cause: error });
    }
  }
}
