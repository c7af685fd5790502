/** Errors of disks, which QEMU and the guest know by names of their own, told with the path on the host. */

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

/** The same for a mount that the guest could not make. */
export function explainMount(error: unknown, storages: readonly GuestStorage[]): unknown {
  const message = messageOf(error);
  const storage = storages.find(
    ({ disk, mountPoint }) => disk !== undefined && message.includes(`storage blk at ${mountPoint}:`),
  );
  if (storage?.disk === undefined) return error;
  const advice = BROKEN.test(message)
    ? 'it may be damaged; remove what it belongs to and make it again. '
    : '';
  const text = `the disk ${storage.disk.path} cannot be mounted in the guest: ${advice}${message}`;
  return new ShimError('failed-precondition', text, { cause: error });
}
