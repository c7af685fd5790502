/** Errors about what QEMU and the guest know by names of their own, told with the names that a user knows. */

import { AgentError, cleanText } from '../../agent/agent-error.ts';
import { messageOf, ShimError } from '../../base/errors.ts';
import type { DiskSpec } from '../../vm/hypervisor.ts';
import type { GuestStorage } from './guest-storage.ts';

/** What QEMU says when another process has the file. */
const LOCKED = /Failed to get .*lock/;

/** What the guest's kernel says of a file system that it does not understand. */
const BROKEN = /\b(EUCLEAN|EINVAL|EBADMSG|EIO|UnknownErrno)\b/;

/** @returns an error that says more, or the same one when it is about something else. */
export function explainPlug(error: unknown, disks: readonly DiskSpec[]): unknown {
  const message = messageOf(error);
  const disk = disks.find(({ serial }) => message.includes(serial));
  if (disk === undefined || !LOCKED.test(message)) return error;
  const text = `the disk ${disk.path} is in use by another VM: end that container first`;
  return new ShimError('failed-precondition', text, { cause: error });
}

/** Paths of the guest, and what a user knows them as: a path of the host, as a rule. */
export type KnownNames = ReadonlyMap<string, string>;

/** The same for a container that the guest could not create, mostly because of a mount. */
export function explainCreate(
  error: unknown,
  { storages, names }: { readonly storages: readonly GuestStorage[]; readonly names: KnownNames },
): unknown {
  const raw = messageOf(error);
  const message = inKnownNames(raw, names);
  const storage = storages.find(
    ({ disk, mountPoint }) => disk !== undefined && raw.includes(`storage blk at ${mountPoint}:`),
  );
  if (storage?.disk === undefined) {
    if (!(error instanceof AgentError) || message === error.message) return error;
    return new AgentError(error.code, message, error);
  }
  const advice = BROKEN.test(message)
    ? 'it may be damaged; remove what it belongs to and make it again. '
    : '';
  const text = `the disk ${storage.disk.path} cannot be mounted in the guest: ${advice}${message}`;
  return new ShimError('failed-precondition', text, { cause: error });
}

/** Longest text that the guest can make of its paths, which are shorter than ours. */
const MAX_TEXT = 4_096;
/** What follows a path that ends there, or goes on below. */
const END = /^(?![\w.-])/;

/** Puts the names that a user knows in the place of the guest's paths, also of what lies below these. */
export function inKnownNames(text: string, names: KnownNames): string {
  // A longer path can lie below a shorter one, which has another name.
  const longestFirst = [...names].sort(([a], [b]) => b.length - a.length);
  let told = text;
  for (const [path, name] of longestFirst) {
    const [first = '', ...rest] = told.split(path);
    told = rest.reduce((before, after) => before + (END.test(after) ? name : path) + after, first);
  }
  return told === text ? text : cleanText(told, MAX_TEXT);
}
