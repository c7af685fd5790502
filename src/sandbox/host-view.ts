/** What a container's plan reads of the host: the mount table, and what lies at a path. */
import { lstatSync, opendirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { readMountinfo } from '../host/mountinfo.ts';
import type { FileKind, FolderContent } from '../oci/mounts.ts';
import type { PlanView } from './container-plan.ts';
import { ROOT_DISK, type RootView } from './root/root-parts.ts';
import { VOLUME_DISK } from './volumes/guest-storage.ts';

type Given = Pick<PlanView, 'diskEmptyDir' | 'diskSizeMib' | 'localDir'> &
  Partial<Pick<PlanView, 'containerOf'>>;

/** A view of the host as it is now. */
export function hostView({ diskEmptyDir, diskSizeMib, localDir, containerOf }: Given): PlanView {
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
      const { rdev } = statSync(path);
      // As the kernel packs them (makedev(3)).
      return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
    },
    volumeContent: (path) => contentOf(path, VOLUME_DISK, MAX_SUB_PATHS),
    containerOf: (pid) => containerOf?.(pid),
    fileKind(path) {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? undefined : kindOf(stat);
    },
    ownership(path) {
      const { mode, gid } = statSync(path);
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
