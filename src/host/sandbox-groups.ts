/** The names of a sandbox's cgroups. */
import { existsSync } from 'node:fs';
import { OWN_PARENT, openCgroup } from './cgroup.ts';
import { checkedPath, groupOf, parentOf } from './cgroup-path.ts';
import { sha256Hex } from './sha256.ts';

/** Prefix of the names of our own groups. */
const OWN_PREFIX = 'bulkhead-';

/** Whether a group's name is of ours; systemd's for our own units (`bulkhead-gc.service`) are not. */
export function isOwnName(name: string): boolean {
  return name.startsWith(OWN_PREFIX) && /:|^(shim-)?[0-9a-f]{32}$/.test(name.slice(OWN_PREFIX.length));
}

/** NAME_MAX less our prefix. */
const MAX_NAME = 255 - OWN_PREFIX.length;

/** A group of ours next to the one that the spec names, and so under the pod's limits. */
export function groupBeside(cgroupsPath: string, name: string): string {
  const parent = parentOf(cgroupsPath) ?? '/';
  return checkedPath(`${parent === '/' ? OWN_PARENT : parent}/${OWN_PREFIX}${name}`);
}

/** The groups of a sandbox. */
export interface SandboxGroups {
  /** For the VMM and the files daemon. */
  readonly vm: string;
  /** For the shim and its helpers; a sibling of the VM's. */
  readonly shim: string;
}

/**
 * Where a sandbox's processes go. A pod's VM is in the very group that its spec names: the kubelet and cAdvisor find
 * the pod's network by the id in that group's name. If that group already exists, its processes are not ours to kill,
 * so the VM goes elsewhere.
 *
 * Elsewhere is `bulkhead-<namespace>:<id>`; neither part can contain a colon. The shim's name contains no id, because
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
