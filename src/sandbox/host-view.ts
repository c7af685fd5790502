/**
 * What a container's plan reads of the host: the mount table, and what is at a path. Bind sources may be on file systems of
 * others, so they are looked at beforehand, with a time limit; folders of the kubelet and of snapshotters are on the host's own disk.
 */
import { lstatSync, opendirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { looks } from '../host/look.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { bindSources, type FileKind, type FolderContent, hostPath } from '../oci/mounts.ts';
import type { Mount } from '../oci/spec.ts';
import type { PlanView } from './container-plan.ts';
import { ROOT_DISK, type RootView } from './root/root-parts.ts';
import { VOLUME_DISK } from './volumes/guest-storage.ts';

type Given = Pick<PlanView, 'diskEmptyDir' | 'diskSizeMib' | 'localDir'> &
  Partial<Pick<PlanView, 'containerOf'>>;

/**
 * A view of the host as it is now.
 * @param mounts of the spec, whose sources are looked at.
 * @throws ShimError `unavailable` when one of them does not answer.
 */
export async function hostView(
  mounts: readonly Mount[],
  { diskEmptyDir, diskSizeMib, localDir, containerOf }: Given,
): Promise<PlanView> {
  const sources = new Map<string, Stats | undefined>();
  for (const source of bindSources(mounts)) sources.set(source, await looks.at(source));
  const seen = (path: string): Stats => sources.get(hostPath(path)) ?? statSync(path);
  return {
    mountTable: readMountinfo(),
    diskEmptyDir,
    diskSizeMib,
    localDir,
    blockDevice(major, minor) {
      const name = /^DEVNAME=(.+)$/m.exec(readText(`/sys/dev/block/${major}:${minor}/uevent`))?.[1];
      return name === undefined ? undefined : `/dev/${name}`;
    },
    deviceNumbers(path) {
      const { rdev } = seen(path);
      // As the kernel packs them (makedev(3)).
      return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
    },
    volumeContent: (path) => contentOf(path, VOLUME_DISK, MAX_SUB_PATHS),
    containerOf: (pid) => containerOf?.(pid),
    fileKind(path) {
      const stat = sources.get(path);
      return stat === undefined ? undefined : kindOf(stat);
    },
    identity(path) {
      const { dev, ino } = seen(path);
      return `${dev}:${ino}`;
    },
    ownership(path) {
      const { mode, gid } = seen(path);
      return { mode, gid };
    },
  };
}

/** What the plan of a root reads of the host. */
export const rootView: RootView = {
  upper(dir) {
    const { mode, uid, gid } = statSync(dir);
    return { content: contentOf(dir, ROOT_DISK), mode, uid, gid };
  },
};

/** How deep the empty folders may be that the kubelet makes for a subPath before a container is there. */
const MAX_SUB_PATHS = 8;

function contentOf(folder: string, disk: string, depth = 0): FolderContent {
  if (lstatSync(join(folder, disk), { throwIfNoEntry: false }) !== undefined) return 'disk';
  return holdsOnlyFolders(folder, depth) ? 'empty' : 'files';
}

function holdsOnlyFolders(folder: string, depth: number): boolean {
  const entries = opendirSync(folder);
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (depth === 0 || !entry.isDirectory() || !holdsOnlyFolders(join(folder, entry.name), depth - 1))
        return false;
    }
    return true;
  } finally {
    entries.closeSync();
  }
}

function kindOf(stat: Stats): FileKind {
  if (stat.isDirectory()) return 'dir';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isFIFO()) return 'fifo';
  return stat.isSocket() ? 'socket' : 'file';
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
