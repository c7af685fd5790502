/** What a container's plan reads of the host: the mount table, and what lies at a path. */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { readMountinfo } from '../host/mountinfo.ts';
import type { FileKind } from '../oci/mounts.ts';
import type { PlanView } from './container-plan.ts';

/** A view of the host as it is now. */
export function hostView({ diskEmptyDir = 'share', containerOf }: Partial<PlanView> = {}): PlanView {
  return {
    mountTable: readMountinfo(),
    diskEmptyDir,
    blockDevice(major, minor) {
      const name = /^DEVNAME=(.+)$/m.exec(readText(`/sys/dev/block/${major}:${minor}/uevent`))?.[1];
      return name === undefined ? undefined : `/dev/${name}`;
    },
    deviceNumbers(path) {
      const { rdev } = statSync(path);
      // As the kernel packs them (makedev(3)).
      return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
    },
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
