/**
 * Plans a container before anything is made of it: what the host mounts into the share, what the guest mounts, and
 * the spec as it is true in the guest. Nothing here changes the host.
 */
import { isAbsolute, join, posix } from 'node:path';
import type { MountEntry } from '../host/mounts.ts';
import { type ClassifiedMount, classifyMounts, type HostView } from '../oci/mounts.ts';
import { type Mount, type RunnableSpec, requireRunnable, type Spec } from '../oci/spec.ts';
import { toGuestSpec } from '../oci/to-agent.ts';
import { ShimError } from './errors.ts';
import type { Share } from './share.ts';
import type { RootfsMount } from './task-event.ts';

/** A mount that the agent makes in the guest for the whole sandbox, counted by its mount point. */
export interface GuestStorage {
  readonly driver: 'ephemeral' | 'local';
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly shared: boolean;
}

export interface ContainerPlan {
  readonly host: readonly MountEntry[];
  readonly storages: readonly GuestStorage[];
  readonly spec: RunnableSpec;
  /** The container shares the pid namespace of its sandbox. */
  readonly sandboxPidns: boolean;
  /** What was left out of the spec and why, for the log. */
  readonly notes: readonly string[];
}

/** What of a Create request shapes the container. */
export interface PlanRequest {
  readonly id: string;
  readonly bundle: string;
  readonly spec: Spec;
  readonly rootfs: readonly RootfsMount[];
}

/** Mode and group of an emptyDir's folder, which kubelet set for the pod's fsGroup. */
export interface Ownership {
  readonly mode: number;
  readonly gid: number;
}

/** What the plan must know of the host beyond the mount table. */
export interface PlanView extends HostView {
  ownership(path: string): Ownership;
}

const SANDBOX_DIR = '/run/kata-containers/sandbox';
const SHM_DIR = `${SANDBOX_DIR}/shm`;
/** What containerd and Docker give a container that asks for no size. */
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/**
 * @throws ShimError `invalid-argument` for a mount that cannot be had in a VM, SpecError for a spec without a process.
 */
export function planContainer(request: PlanRequest, share: Share, view: PlanView): ContainerPlan {
  const spec = requireRunnable(request.spec, join(request.bundle, 'config.json'));
  const host: MountEntry[] = rootfsMounts(request, share);
  const storages: GuestStorage[] = [];
  const mounts = new Map<number, Mount | undefined>();
  for (const mount of classifyMounts(spec.mounts ?? [], view)) {
    switch (mount.kind) {
      case 'guest':
      case 'device':
        break;
      case 'file-bind':
      case 'dir-bind': {
        const path = share.path(request.id, `mounts/${mount.index}`);
        host.push(hostBind(mount, path.host));
        mounts.set(mount.index, { ...mount.mount, type: 'bind', source: path.guest });
        break;
      }
      case 'shm':
      case 'ephemeral':
      case 'hugetlb':
      case 'local': {
        const storage = guestStorage(mount, view);
        storages.push(storage);
        mounts.set(mount.index, { ...mount.mount, type: 'bind', source: storage.mountPoint });
        break;
      }
      case 'block-device':
        throw new ShimError(
          'invalid-argument',
          `mount at ${mount.mount.destination}: ${mount.reason}, which is not supported yet`,
        );
      case 'refused':
        throw new ShimError('invalid-argument', mount.reason);
    }
  }
  const rootfs = share.path(request.id, 'rootfs').guest;
  const guest = toGuestSpec(spec, { containerId: request.id, rootfs, mounts });
  const sandboxPidns = spec.linux?.namespaces?.some((n) => n.type === 'pid' && Boolean(n.path)) === true;
  return { host, storages, spec: guest.spec, sandboxPidns, notes: guest.notes };
}

/** The root file system: what the snapshotter says, or the folder that the manager has mounted already (CRI-O). */
function rootfsMounts(request: PlanRequest, share: Share): MountEntry[] {
  const target = share.path(request.id, 'rootfs').host;
  if (request.rootfs.length > 0) {
    return request.rootfs.map((mount) => ({ ...mount, target: join(target, mount.target) }));
  }
  const path = request.spec.root?.path ?? '';
  const source = isAbsolute(path) ? path : join(request.bundle, path);
  return [{ type: 'bind', source, target, options: ['rbind'] }];
}

/** Read-only is enforced on the host: the guest's own flags bind only the container, not a hostile guest. */
function hostBind(mount: ClassifiedMount, target: string): MountEntry {
  const recursive = mount.mount.options?.includes('rbind') === true;
  const options = [recursive ? 'rbind' : 'bind', ...(mount.readOnly ? ['ro'] : [])];
  return { type: 'bind', source: mount.mount.source!, target, options };
}

function guestStorage(mount: ClassifiedMount, view: PlanView): GuestStorage {
  const source = mount.mount.source!;
  const volume = posix.basename(source);
  if (mount.kind === 'shm') {
    const size = mount.sizeBytes ?? DEFAULT_SHM_BYTES;
    const options = ['noexec', 'nosuid', 'nodev', 'mode=1777', `size=${size}`];
    return {
      driver: 'ephemeral',
      source: 'shm',
      fstype: 'tmpfs',
      options,
      mountPoint: SHM_DIR,
      shared: true,
    };
  }
  const { mode, gid } = view.ownership(source);
  const owner = [
    `mode=${(mode & 0o7777).toString(8).padStart(4, '0')}`,
    ...(gid === 0 ? [] : [`fsgid=${gid}`]),
  ];
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  switch (mount.kind) {
    case 'local':
      return {
        driver: 'local',
        source: 'local',
        fstype: 'local',
        options: owner,
        mountPoint: `${SANDBOX_DIR}/local/${volume}`,
        shared: true,
      };
    case 'hugetlb':
      return {
        driver: 'ephemeral',
        source: 'nodev',
        fstype: 'hugetlbfs',
        options: [
          ...size,
          ...(mount.pageSizeBytes === undefined ? [] : [`pagesize=${mount.pageSizeBytes}`]),
          ...owner,
        ],
        mountPoint: `${SANDBOX_DIR}/ephemeral/${volume}`,
        shared: true,
      };
    default:
      return {
        driver: 'ephemeral',
        source: 'tmpfs',
        fstype: 'tmpfs',
        options: [...size, ...owner],
        mountPoint: `${SANDBOX_DIR}/ephemeral/${volume}`,
        shared: true,
      };
  }
}
