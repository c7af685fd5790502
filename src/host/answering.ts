/**
 * File systems of the host that may never answer: those with a server elsewhere or in a process. Whoever asks one waits in the
 * kernel, and a shim that waits there answers nobody; so a helper, which can be killed, asks first.
 */
import { ShimError } from '../base/errors.ts';
import { type HelperOptions, runSteps } from './mount-helper.ts';
import { isWithin, type MountInfo } from './mountinfo.ts';

/** What the kernel answers by itself, with at most a disk of this machine. */
const LOCAL = new Set(
  (
    'autofs bcachefs bpf btrfs cgroup cgroup2 configfs debugfs devpts devtmpfs erofs exfat ext2 ext3 ext4 f2fs fusectl hugetlbfs ' +
    'iso9660 jfs mqueue nilfs2 nsfs overlay proc pstore ramfs reiserfs rootfs securityfs squashfs sysfs tmpfs tracefs udf vfat xfs zfs'
  ).split(' '),
);

/** How long a file system may take for its answer. */
const ANSWER_MS = 5_000;

/** The sources that lie on something which may never answer, each with the type of that. */
export function doubtful(sources: readonly string[], table: readonly MountInfo[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const source of sources) {
    const type = table.findLast(({ mountPoint }) => isWithin(mountPoint, source))?.type ?? '';
    if (!LOCAL.has(type)) found.set(source, type);
  }
  return found;
}

/**
 * Waits until each source of a container has answered.
 * @param root any folder of the caller's, for the helper.
 * @throws ShimError `unavailable` for the first that does not.
 */
export async function requireAnswers(
  sources: readonly string[],
  table: readonly MountInfo[],
  root: string,
  { helper, timeoutMs = ANSWER_MS }: HelperOptions,
): Promise<void> {
  for (const [source, type] of doubtful(sources, table)) {
    await runSteps(root, [{ look: { source } }], { helper, timeoutMs }).catch((error: Error) => {
      throw new ShimError(
        'unavailable',
        `the volume ${source} does not answer: its file system (${type || 'unknown'}) said nothing within ${timeoutMs} ms`,
        { cause: error },
      );
    });
  }
}
