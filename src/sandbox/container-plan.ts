/**
 * Plans a container before anything is made of it: what the host mounts into the share, what the guest mounts, and
 * the spec as it is true in the guest. Pure: prepare.ts applies it.
 */
import { join, posix } from 'node:path';
import { ShimError } from '../base/errors.ts';
import { idMapOptions } from '../host/id-map.ts';
import type { MountEntry } from '../host/mounts.ts';
import { classify } from '../oci/annotations.ts';
import {
  type ClassifiedMount,
  classifyMounts,
  type HostView,
  isRecursivelyReadOnly,
  type MountKind,
} from '../oci/mounts.ts';
import { type Mount, type RunnableSpec, requireRunnable, type Spec } from '../oci/spec.ts';
import { toGuestSpec } from '../oci/to-agent.ts';
import type { RootPlan } from './root/root-parts.ts';
import type { DiskUse } from './volumes/disks.ts';
import type { KnownNames } from './volumes/guest-errors.ts';
import {
  type GuestStorage,
  guestStorages,
  type Ownership,
  type VolumeSettings,
  watchedStorage,
} from './volumes/guest-storage.ts';
import { boundMemory } from './volumes/memory-bounds.ts';
import type { HostVolume } from './volumes/share.ts';
import type { WatchedFolder } from './volumes/watched-folders.ts';

export interface ContainerPlan {
  /** What the host mounts for its root; targets are below the container's folder in the share. */
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
export interface PlanView extends HostView, VolumeSettings {
  /** Of an emptyDir's folder. */
  ownership(path: string): Ownership;
  /** Node of a block device of the host. */
  blockDevice(major: number, minor: number): string | undefined;
  /** Numbers of the block device at a path. */
  deviceNumbers(path: string): { readonly major: number; readonly minor: number };
  /** What lies at a path now, told apart from what was or will be there. */
  identity(path: string): string;
  /** The container of this sandbox to which containerd knows a pid; undefined for the sandbox's own. */
  containerOf(pid: number): string | undefined;
}

/** The mounts of a spec, sorted by what has to happen to them. */
export interface SortedMounts {
  readonly spec: RunnableSpec;
  readonly mounts: readonly ClassifiedMount[];
  /** What the share has to hold, by the position of the mount. */
  readonly volumes: ReadonlyMap<number, HostVolume>;
}

/** @throws ShimError `invalid-argument` for a mount that cannot be had in a VM, SpecError for a spec without a process. */
export function sortMounts(
  { spec: given, bundle, podShm, vmMemoryMib }: PlanRequest,
  view: PlanView,
): SortedMounts {
  const spec = requireRunnable(given, join(bundle, 'config.json'));
  const classified = classifyMounts(spec.mounts ?? [], view);
  const isSingle = podShm !== true && classify(spec.annotations).kind === 'single';
  const mounts = boundMemory(podShm === true ? classified.map(asPodShm) : classified, {
    ...{ mountTable: view.mountTable, vmMemoryMib, isSingle },
  });
  const volumes = new Map<number, HostVolume>();
  for (const mount of mounts) {
    if (mount.kind === 'refused') throw new ShimError('invalid-argument', mount.reason);
    if (SHARED.has(mount.kind)) volumes.set(mount.index, hostVolume(mount, view));
  }
  return { spec, mounts, volumes };
}

const SHARED: ReadonlySet<MountKind> = new Set(['file-bind', 'dir-bind', 'empty-dir', 'watched']);

/** @param paths where the guest finds what the share holds, by the position of the mount. */
export function planContainer(
  request: PlanRequest,
  { spec, mounts: sorted }: SortedMounts,
  paths: ReadonlyMap<number, string>,
  view: PlanView,
): ContainerPlan {
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
  for (const mount of sorted) {
    switch (mount.kind) {
      case 'guest':
      case 'device':
      case 'refused':
        break;
      case 'file-bind':
      case 'dir-bind':
      case 'empty-dir':
        bind(mount, paths.get(mount.index)!);
        break;
      case 'watched': {
        const storage = watchedStorage(paths.get(mount.index)!);
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
        const made = guestStorages(mount, view, view.ownership);
        storages.push(...made);
        bind(mount, made.at(-1)!.mountPoint, mount.flags);
        break;
      }
      case 'block-device':
        bound.push(mount);
        mounts.set(mount.index, []);
        break;
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
    host: request.root.host,
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

/** Where containerd mounts an image that a pod has as a volume; nobody writes there. */
const IMAGE_VOLUME = /\/image-volumes\/[^/]+\/[^/]+$/;

function hostVolume(mount: ClassifiedMount, view: PlanView): HostVolume {
  const recursive = mount.mount.options?.includes('rbind') === true;
  const idMap = idMapOptions(mount.mount.uidMappings, mount.mount.gidMappings);
  // An emptyDir belongs to the pod: one mount serves those that write and those that only read.
  if (mount.kind === 'empty-dir')
    return {
      ...{ source: mount.volume!.path, readOnly: 'no', recursive: true, isShared: false, idMap },
      identity: view.identity(mount.volume!.path),
    };
  const source = mount.mount.source!;
  const isShared = !(mount.readOnly && IMAGE_VOLUME.test(source));
  const identity = view.identity(source);
  return { source, readOnly: readOnlyOf(mount), recursive, isShared, idMap, identity };
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
