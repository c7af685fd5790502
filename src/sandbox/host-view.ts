/** What a container's plan reads of the host: the mount table, and what lies at a path. */
import { type Stats, statSync } from 'node:fs';
import { readMountinfo } from '../host/mountinfo.ts';
import type { FileKind } from '../oci/mounts.ts';
import type { PlanView } from './container-plan.ts';

/** A view of the host as it is now. */
export function hostView({ diskEmptyDir = 'share', containerOf }: Partial<PlanView> = {}): PlanView {
  return {
    mountTable: readMountinfo(),
    diskEmptyDir,
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
