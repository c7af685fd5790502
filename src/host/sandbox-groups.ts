/** Where the processes of a sandbox go: the names of its control groups. */
import { existsSync } from 'node:fs';
import { OWN_PARENT, openCgroup } from './cgroup.ts';
import { checkedPath, groupOf, parentOf } from './cgroup-path.ts';
import { sha256Hex } from './sha256.ts';

/** What the names of our own groups begin with. */
export const OWN_PREFIX = 'bulkhead-';
/** What a folder's name may have, less our prefix. */
const MAX_NAME = 255 - OWN_PREFIX.length;

/** A group of ours beside the one that the spec names, so below the pod's limits. */
export function groupBeside(cgroupsPath: string, name: string): string {
  const parent = parentOf(cgroupsPath) ?? '/';
  return checkedPath(`${parent === '/' ? OWN_PARENT : parent}/${OWN_PREFIX}${name}`);
}

/** The groups of a sandbox. */
export interface SandboxGroups {
  /** Of the VMM and the file system daemon. */
  readonly vm: string;
  /** Of the shim and its helpers, beside the VM's. */
  readonly shim: string;
}

/**
 * Where a sandbox's processes go. The VM of a pod is in the very group that its spec names, where the kubelet and cAdvisor look for the
 * pod's network by the id in the last name; unless somebody has made that group, whose processes would not be ours to end.
 *
 * Elsewhere `bulkhead-<namespace>:<id>`: neither part can have the colon. The shim's has a name in which nobody finds an id:
 * cAdvisor takes any 64 hexadecimal digits for a container's.
 */
export function sandboxGroups(
  cgroupsPath: string,
  { namespace, id, pod }: { readonly namespace: string; readonly id: string; readonly pod: boolean },
): SandboxGroups {
  const name = `${namespace}:${id}`;
  const hash = sha256Hex(name).slice(0, 32);
  const own = pod ? groupOf(cgroupsPath) : undefined;
  return {
    vm:
      own !== undefined && !groupExists(own)
        ? own
        : groupBeside(cgroupsPath, name.length > MAX_NAME ? hash : name),
    shim: groupBeside(cgroupsPath, `shim-${hash}`),
  };
}

function groupExists(path: string): boolean {
  return openCgroup(path).folders.some((folder) => existsSync(folder));
}
