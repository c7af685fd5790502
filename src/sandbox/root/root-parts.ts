/** What roots on disks are made of, and the overlay that the guest makes of them. Pure. */

import { ShimError } from '../../base/errors.ts';
import type { FolderContent } from '../../oci/mounts.ts';
import type { RootfsMount } from '../task-event.ts';
import { DISK_OPTIONS, type DiskFile, type GuestStorage } from '../volumes/guest-storage.ts';

export interface RootPlan {
  /** `shared`: the folder that the host mounts is the root. */
  readonly mode: 'shared' | 'disk';
  /** What the host mounts; targets are below the folder that the guest sees as `lower`. */
  readonly host: readonly RootfsMount[];
  readonly storages: readonly GuestStorage[];
  /** The root as the guest sees it. */
  readonly guestPath: string;
  readonly reason: string;
}

/** What of a Create request decides. */
export interface RootRequest {
  readonly id: string;
  readonly rootfs: readonly RootfsMount[];
  readonly isReadOnly: boolean;
  /** Where the guest sees what the host mounts. */
  readonly sharedPath: string;
}

export interface RootSettings {
  readonly mode: 'shared' | 'disk';
  readonly diskSizeMib: number;
}

export interface RootView {
  /** @throws Error when it is not there. */
  upper(dir: string): {
    readonly content: FolderContent;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  };
}

/** The disk of a root, in the folder of its snapshot whose content the manager counts and deletes. */
export const ROOT_DISK = 'bulkhead-root-disk.ext4';

/** Where the guest puts a root together. */
export const GUEST_ROOTS = '/run/kata-containers/sandbox/rootfs';

/** The disk in the writable folder of a snapshot. */
export function ownDisk(upper: string, work: string, { diskSizeMib }: RootSettings): DiskFile {
  const make = { sizeBytes: diskSizeMib * 2 ** 20, workDir: work };
  return { path: `${upper}/${ROOT_DISK}`, readOnly: false, make };
}

/**
 * Folders of the image that are renamed move as a whole, and a changed owner or mode copies no content: only the guest
 * ever reads this disk. `xino`: a file keeps its inode number when it is first written.
 */
const OVERLAY_OPTIONS = ['redirect_dir=on', 'metacopy=on', 'xino=on'];

/** An overlay in the guest, whose upper folder is on a disk of its own. */
export function guestOverlay(
  id: string,
  lower: string,
  disk: DiskFile,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
): Pick<RootPlan, 'storages' | 'guestPath'> {
  const [at, guestPath] = [`${GUEST_ROOTS}/${id}/disk`, `${GUEST_ROOTS}/${id}/root`];
  const octal = (mode & 0o7777).toString(8);
  const folders = [
    ...[`lowerdir=${lower}`, `upperdir=${at}/upper`, `workdir=${at}/work`],
    ...[`${MKDIR}${at}/upper:${octal}:${uid}:${gid}`, `${MKDIR}${at}/work:700:0:0`],
  ];
  return {
    guestPath,
    storages: [
      {
        ...{ driver: 'blk', disk, source: '', fstype: 'ext4', shared: false },
        options: DISK_OPTIONS,
        mountPoint: at,
      },
      overlayStorage([...folders, ...OVERLAY_OPTIONS], guestPath),
    ],
  };
}

export function overlayStorage(options: readonly string[], mountPoint: string): GuestStorage {
  return { driver: 'overlayfs', source: 'overlay', fstype: 'overlay', options, mountPoint, shared: false };
}

/** containerd's word for a folder to be made before the mount (PATH[:MODE[:UID:GID]]), which the agent knows as well. */
export const MKDIR = 'X-containerd.mkdir.path=';

export function refuseRoot(problem: string): ShimError {
  return new ShimError('invalid-argument', `the root file system cannot be had in a VM: ${problem}`);
}
