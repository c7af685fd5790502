/**
 * Plans a container before anything is made of it: what the host mounts into the share, what the guest mounts, and
 * the spec as it is true in the guest. Nothing here changes the host.
 */
import { join, posix } from 'node:path';
import { ShimError } from '../base/errors.ts';
import { idMapOptions } from '../host/id-map.ts';
import type { MountEntry } from '../host/mounts.ts';
import { classify } from '../oci/annotations.ts';
import { type ClassifiedMount, classifyMounts, type HostView, isRecursivelyReadOnly } from '../oci/mounts.ts';
import { type Mount, type RunnableSpec, requireRunnable, type Spec } from '../oci/spec.ts';
import { toGuestSpec } from '../oci/to-agent.ts';
import type { RootPlan } from './root/root-parts.ts';
import type { DiskUse } from './volumes/disks.ts';
import type { KnownNames } from './volumes/guest-errors.ts';
import {
  type GuestStorage,
  guestStorages,
  type OwnershipView,
  type VolumeSettings,
  watchedStorage,
} from './volumes/guest-storage.ts';
import { boundMemory } from './volumes/memory-bounds.ts';
import type { HostVolume, Share } from './volumes/share.ts';
import type { WatchedFolder } from './volumes/watched-folders.ts';

export interface ContainerPlan {
  /** Mounts of its own; what it shares with others of the pod is noted in the share. */
  readonly host: readonly MountEntry[];
  readonly storages: readonly GuestStorage[];
  readonly spec: RunnableSpec;
  /** Folders of which the guest has a copy that is to be kept up to date. */
  readonly watched: readonly WatchedFolder[];
  /** Block devices of the host, to be plugged into the VM. */
  readonly disks: readonly DiskUse[];
  /** The container shares the pid namespace of its sandbox. */
  readonly sandboxPidns: boolean;
  /** What a user knows the guest's paths as. */
  readonly names: KnownNames;
  /** What was left out of the spec and why, for the log. */
  readonly notes: readonly string[];
}

/** What of a Create request shapes the container. */
export interface PlanRequest {
  readonly id: string;
  readonly bundle: string;
  readonly spec: Spec;
  readonly root: RootPlan;
  readonly podShm?: boolean;
  readonly vmMemoryMib: number;
}

/** What the plan must know of the host and of the sandbox beyond the mount table. */
export interface PlanView extends HostView, OwnershipView, VolumeSettings {
  /** Node of a block device of the host. */
  blockDevice(major: number, minor: number): string | undefined;
  /** Numbers of the block device at a path. */
  deviceNumbers(path: string): { readonly major: number; readonly minor: number };
  /** The container of this sandbox to which containerd knows a pid; undefined for the sandbox's own. */
  containerOf(pid: number): string | undefined;
}

/**
 * Notes in `share` what the container will bind; `Share.removeContainer` undoes that too.
 * @throws ShimError `invalid-argument` for a mount that cannot be had in a VM, SpecError for a spec without a process.
 */
export function planContainer(request: PlanRequest, share: Share, view: PlanView): ContainerPlan {
  const spec = requireRunnable(request.spec, join(request.bundle, 'config.json'));
  const storages: GuestStorage[] = [...request.root.storages];
  const watched: WatchedFolder[] = [];
  const mounts = new Map<number, readonly Mount[]>();
  const bound: ClassifiedMount[] = [];
  const names = new Map([[request.root.guestPath, 'rootfs']]);
  const bind = (mount: ClassifiedMount, source: string, flags: readonly string[] = []) => {
    const { uidMappings: _, gidMappings: __, options: given = [], ...rest } = mount.mount;
    // Owners are mapped on the host, or by how the volume is made in the guest.
    const options = [...given.filter((option) => option !== 'idmap' && option !== 'ridmap'), ...flags];
    const own = { ...rest, type: 'bind', source, options };
    mounts.set(mount.index, [own, ...writableBelow(mount, source)]);
    names.set(source, rest.source ?? rest.destination);
  };
  const classified = classifyMounts(spec.mounts ?? [], view);
  const bounded = boundMemory(request.podShm === true ? classified.map(asPodShm) : classified, {
    mountTable: view.mountTable,
    vmMemoryMib: request.vmMemoryMib,
    isSingle: request.podShm !== true && classify(spec.annotations).kind === 'single',
  });
  for (const mount of bounded) {
    switch (mount.kind) {
      case 'guest':
      case 'device':
        break;
      case 'file-bind':
      case 'dir-bind':
      case 'disk':
        bind(mount, share.volume(request.id, hostVolume(mount)));
        break;
      case 'watched': {
        const storage = watchedStorage(share.volume(request.id, hostVolume(mount)));
        storages.push(storage);
        watched.push({ source: mount.mount.source!, mountPoint: storage.mountPoint });
        bind(mount, storage.mountPoint);
        break;
      }
      case 'shm':
      case 'ephemeral':
      case 'hugetlb':
      case 'local':
      case 'volume-disk': {
        const made = guestStorages(mount, view, view);
        storages.push(...made);
        bind(mount, made.at(-1)!.mountPoint, mount.flags);
        break;
      }
      case 'block-device':
        bound.push(mount);
        mounts.set(mount.index, []);
        break;
      case 'refused':
        throw new ShimError('invalid-argument', mount.reason);
    }
  }
  const pid = pidNamespace(spec, view);
  const target = pid === 'pod' || pid === 'own' ? {} : { pidTarget: pid.container };
  const withDisks = withBoundDisks(spec, bound, view);
  const disks = diskUses(withDisks, view);
  const diskPaths = new Set(disks.map(({ containerPath }) => containerPath));
  const guest = toGuestSpec(withDisks, {
    containerId: request.id,
    rootfs: request.root.guestPath,
    mounts,
    diskPaths,
    ...target,
  });
  return {
    host: rootMounts(request, share),
    storages,
    spec: guest.spec,
    watched,
    disks,
    sandboxPidns: pid === 'pod',
    names,
    notes: guest.notes,
  };
}

/** A private /dev/shm becomes the pod's. */
function asPodShm(mount: ClassifiedMount): ClassifiedMount {
  const { destination, type } = mount.mount;
  if (mount.kind !== 'guest' || destination !== '/dev/shm' || type !== 'tmpfs') return mount;
  const flags = ['nosuid', 'nodev', 'noexec'];
  return { ...mount, kind: 'shm', flags, mount: { destination, options: ['rbind'] } };
}

/**
 * A path leads to the pod's pid namespace or to that of another container (TARGET), by the pid that containerd knows. No
 * entry at all asks for the host's: the host of a pod's containers is its VM.
 */
function pidNamespace(spec: Spec, view: PlanView): 'pod' | 'own' | { readonly container: string } {
  const namespace = spec.linux?.namespaces?.find(({ type }) => type === 'pid');
  if (namespace === undefined) return 'pod';
  if (!namespace.path) return 'own';
  const pid = /^\/proc\/(\d+)\/ns\/pid$/.exec(namespace.path)?.[1];
  const container = pid === undefined ? undefined : view.containerOf(Number(pid));
  return container === undefined ? 'pod' : { container };
}

/** A bind of a block device's node becomes a device of the container at that place. */
function withBoundDisks(spec: RunnableSpec, bound: readonly ClassifiedMount[], view: PlanView): RunnableSpec {
  if (bound.length === 0) return spec;
  const { devices = [], resources = {}, ...linux } = spec.linux ?? {};
  const nodes = bound.map(({ mount, readOnly }) => ({
    device: { path: mount.destination, type: 'b', ...view.deviceNumbers(mount.source!) },
    access: readOnly ? 'r' : 'rw',
  }));
  const rules = nodes.map(({ device: { type, major, minor }, access }) => ({
    allow: true,
    type,
    major,
    minor,
    access,
  }));
  return {
    ...spec,
    linux: {
      ...linux,
      devices: [...devices, ...nodes.map(({ device }) => device)],
      resources: { ...resources, devices: [...(resources.devices ?? []), ...rules] },
    },
  };
}

/** The block devices that a spec lists, unless it lists all of the host for a privileged container. */
function diskUses(spec: RunnableSpec, view: PlanView): DiskUse[] {
  const rules = spec.linux?.resources?.devices ?? [];
  if (rules.some(({ allow, type, major }) => allow && (type ?? 'a') === 'a' && major === undefined))
    return [];
  return (spec.linux?.devices ?? []).flatMap(({ path, type, major = -1, minor = -1 }) => {
    const source = type === 'b' ? view.blockDevice(major, minor) : undefined;
    if (source === undefined) return [];
    const rule = rules.findLast((one) => one.type === 'b' && one.major === major && one.minor === minor);
    return { source, readOnly: rule?.access?.includes('w') === false, containerPath: path };
  });
}

function rootMounts({ id, root }: PlanRequest, share: Share): MountEntry[] {
  const folder = share.path(id, 'rootfs').host;
  return root.host.map((mount) => ({ ...mount, target: join(folder, mount.target) }));
}

/** Where containerd mounts an image that a pod has as a volume; nobody writes there. */
const IMAGE_VOLUME = /\/image-volumes\/[^/]+\/[^/]+$/;

function hostVolume(mount: ClassifiedMount): HostVolume {
  const recursive = mount.mount.options?.includes('rbind') === true;
  const idMap = idMapOptions(mount.mount.uidMappings, mount.mount.gidMappings);
  // An emptyDir belongs to the pod: one mount serves those that write and those that only read.
  if (mount.kind === 'disk')
    return { source: mount.volume!.path, readOnly: 'no', recursive: true, isShared: false, idMap };
  const source = mount.mount.source!;
  const isShared = !(mount.readOnly && IMAGE_VOLUME.test(source));
  return { source, readOnly: readOnlyOf(mount), recursive, isShared, idMap };
}

/** Where what is mounted below gets no bind of its own in the guest, it is read-only there and so it is here. */
function readOnlyOf({ readOnly, mount, submounts }: ClassifiedMount): HostVolume['readOnly'] {
  if (!readOnly) return 'no';
  return submounts === undefined || isRecursivelyReadOnly(mount.options ?? []) ? 'all' : 'top';
}

/**
 * In the guest a read-only bind covers what the host has mounted below, because all of it is one virtio-fs. As on the
 * host, only `rro` shall do that: the others get a bind of their own.
 */
function writableBelow({ mount, submounts = [] }: ClassifiedMount, source: string): Mount[] {
  if (isRecursivelyReadOnly(mount.options ?? [])) return [];
  return submounts
    .filter(({ readOnly }) => !readOnly)
    .map(({ path }) => ({
      destination: posix.join(mount.destination, path),
      type: 'bind',
      source: posix.join(source, path),
      options: ['bind'],
    }));
}
