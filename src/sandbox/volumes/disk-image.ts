/** Files with a file system in them, which a VM gets as disks: made, and looked at before QEMU has them. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, ShimError } from '../../base/errors.ts';
import { findInPath } from '../../config/locate.ts';
import { runCommand } from '../../host/command.ts';
import type { DiskFile } from './guest-storage.ts';
import { imageProblem, SUPERBLOCK_BYTES } from './superblock.ts';

const MKFS = 'mkfs.ext4';
const MKFS_MS = 30_000;

/**
 * `assume_storage_prezeroed`: nobody, neither here nor the guest's kernel later, writes zeros into a file that is sparse. Measured for
 * 64 GiB: 5 MiB on disk, under 10 ms. The journal is small (512 MiB would be the default), because what it has once gone
 * through stays allocated. An error of the disk makes it read-only, so that nothing is written into a broken file system.
 */
const MKFS_OPTIONS = [
  ...['-q', '-F', '-m', '0', '-e', 'remount-ro', '-J', 'size=64'],
  ...['-E', 'assume_storage_prezeroed=1,nodiscard'],
];

/**
 * Makes what is missing and checks what is there, so that the error says more than a kernel's "invalid argument".
 * @param fstype what must be on it; undefined: anything.
 * @throws ShimError
 */
export async function provideDisk(
  disk: DiskFile,
  fstype: string | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const found = lstatSync(disk.path, { throwIfNoEntry: false });
  if (found === undefined && disk.make !== undefined) return makeImage(disk.path, disk.make, signal);
  if (found === undefined) throw unusable(disk.path, 'it does not exist', 'has its snapshot been removed?');
  checkImage(disk, fstype);
}

/** Complete under its name, or not there at all. */
async function makeImage(
  path: string,
  { sizeBytes, workDir }: NonNullable<DiskFile['make']>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const mkfs = findInPath(MKFS);
  if (mkfs === undefined) {
    throw new ShimError(
      'failed-precondition',
      `cannot make the disk ${path}: there is no ${MKFS} on this host; apt-get install e2fsprogs, or set rootfs.mode and ` +
        'shared_fs.disk_empty_dir to other values',
    );
  }
  const made = join(workDir, `${basename(path)}.new`);
  try {
    rmSync(made, { force: true });
    const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants;
    const fd = openSync(made, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
    try {
      ftruncateSync(fd, sizeBytes);
    } finally {
      closeSync(fd);
    }
    const { code, stderr } = await runCommand([mkfs, ...MKFS_OPTIONS, made], { timeoutMs: MKFS_MS, signal });
    if (code !== 0) throw new Error(`${MKFS}: ${stderr.trim() || `exit code ${code}`}`);
    renameSync(made, path);
  } catch (error) {
    rmSync(made, { force: true });
    if (error instanceof ShimError) throw error;
    throw new ShimError(
      'failed-precondition',
      `cannot make a disk of ${sizeBytes} bytes at ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function checkImage({ path, make }: DiskFile, fstype: string | undefined): void {
  // A link is followed only where the snapshotter names it (devmapper's are links); our own files are none.
  const follow = make === undefined ? 0 : constants.O_NOFOLLOW;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | follow);
  } catch (error) {
    const isLink = (error as NodeJS.ErrnoException).code === 'ELOOP';
    throw unusable(path, isLink ? 'it is a symbolic link' : messageOf(error), 'remove what is there');
  }
  try {
    const stat = fstatSync(fd);
    const kind = kindProblem(stat, make !== undefined);
    if (kind !== undefined) throw unusable(path, kind, 'remove what is there');
    const block = Buffer.alloc(SUPERBLOCK_BYTES);
    const bytes = readSync(fd, block, 0, SUPERBLOCK_BYTES, 0);
    const problem = imageProblem(fstype, block.subarray(0, bytes), stat.isFile() ? stat.size : undefined);
    if (problem !== undefined) {
      throw unusable(path, problem, 'it is damaged: remove the container and make it again from its image');
    }
  } finally {
    closeSync(fd);
  }
}

function kindProblem(stat: Stats, isOwn: boolean): string | undefined {
  if (stat.isFile()) return isOwn && stat.nlink !== 1 ? 'it has other names (hard links)' : undefined;
  if (stat.isBlockDevice() && !isOwn) return undefined;
  return `it is ${stat.isDirectory() ? 'a folder' : 'no file'}`;
}

function unusable(path: string, problem: string, advice: string): ShimError {
  return new ShimError('failed-precondition', `the disk ${path} cannot be used: ${problem}; ${advice}`);
}
