/** Mounts that the agent makes in the guest: emptyDirs, /dev/shm, copies of watched folders, disks. */
import { posix } from 'node:path';
import { fnv1a } from '../../base/hash.ts';
import { mapId } from '../../host/id-map.ts';
import type { ClassifiedMount } from '../../oci/mounts.ts';
import type { Mount } from '../../oci/spec.ts';

/** A disk of the VM with a file system on it. */
export interface DiskFile {
  /** A file, or a node of the host. */
  readonly path: string;
  readonly readOnly: boolean;
  /** A file of ours: made, if it is not there, before the VM gets it. */
  readonly make?: NewFile | undefined;
}

/** A sparse file with an empty ext4. */
export interface NewFile {
  readonly sizeBytes: number;
  /** Folder of the same file system in which it is made, until it is complete. */
  readonly workDir: string;
}

/** One of them, counted by its mount point. */
export interface GuestStorage {
  readonly driver: 'ephemeral' | 'local' | 'watchable-bind' | 'blk' | 'overlayfs' | 'bind';
  /** Of `blk`: what is mounted; it is the source then. */
  readonly disk?: DiskFile | undefined;
  /** Disks that options of `blk` name as `{{ disk N }}`. */
  readonly devices?: readonly DiskFile[] | undefined;
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly shared: boolean;
}

/** Mode and group of an emptyDir's folder, which kubelet set for the pod's fsGroup. */
export interface Ownership {
  readonly mode: number;
  readonly gid: number;
}

/** What is known of an emptyDir's folder on the host. */
type OwnershipOf = (path: string) => Ownership;

/** The disk of an emptyDir, in the kubelet's folder of it, whose content the kubelet counts and deletes. */
export const VOLUME_DISK = 'bulkhead-volume-disk.ext4';

/** What is deleted is given back to the host's disk. */
export const DISK_OPTIONS = ['rw', 'discard'];

const SANDBOX_DIR = '/run/kata-containers/sandbox';
const SHM_DIR = `${SANDBOX_DIR}/shm`;

/** The guest follows the shared folder and shows containers a copy: the host's changes raise no events by themselves. */
export function watchedStorage(source: string): GuestStorage {
  const mountPoint = `${SANDBOX_DIR}/watched/${posix.basename(source)}`;
  return { driver: 'watchable-bind', source, fstype: 'bind', options: [], mountPoint, shared: true };
}

/** What decides where volumes are. */
export interface VolumeSettings {
  /** Where the guest makes folders that are to lie in the root of the sandbox's own container. */
  readonly localDir: string;
  /** Of a new disk. */
  readonly diskSizeMib: number;
}

/** The volume, and the folder in it when only that is mounted; the last one is what the container binds. */
export function guestStorages(
  mount: ClassifiedMount,
  { localDir, diskSizeMib }: VolumeSettings,
  ownershipOf: OwnershipOf,
): GuestStorage[] {
  if (mount.kind === 'volume-disk') return diskStorages(mount, diskSizeMib, ownershipOf);
  const volume = volumeStorage(mount, localDir, ownershipOf);
  const subPath = mount.volume?.subPath ?? '';
  if (subPath === '') return [volume];
  const mountPoint = `${volume.mountPoint}/${subPath}`;
  return [
    volume,
    { ...folder(mountPoint), options: ownership(mount.mount.source!, mount.mount, ownershipOf) },
  ];
}

/** The disk, and the folder in it that is the volume: a file system's own top has a `lost+found`. */
function diskStorages(mount: ClassifiedMount, diskSizeMib: number, ownershipOf: OwnershipOf): GuestStorage[] {
  const { path, subPath } = mount.volume!;
  const mountPoint = `${SANDBOX_DIR}/disks/${volumeName(path)}`;
  const make = { sizeBytes: diskSizeMib * 2 ** 20, workDir: path };
  const disk = { path: `${path}/${VOLUME_DISK}`, readOnly: false, make };
  const volume = `${mountPoint}/volume`;
  return [
    { driver: 'blk', disk, source: '', fstype: 'ext4', options: DISK_OPTIONS, mountPoint, shared: true },
    { ...folder(volume), options: ownership(path, mount.mount, ownershipOf) },
    ...(subPath === ''
      ? []
      : [
          {
            ...folder(`${volume}/${subPath}`),
            options: ownership(mount.mount.source!, mount.mount, ownershipOf),
          },
        ]),
  ];
}

function volumeStorage(mount: ClassifiedMount, localDir: string, ownershipOf: OwnershipOf): GuestStorage {
  const { kind, sizeBytes, pageSizeBytes, flags = [] } = mount;
  const size = sizeBytes === undefined ? [] : [`size=${sizeBytes}`];
  if (kind === 'shm') return memory('shm', 'tmpfs', ['mode=1777', ...size, ...flags], SHM_DIR);
  const { path } = mount.volume!;
  const owner = ownership(path, mount.mount, ownershipOf);
  const name = volumeName(path);
  if (kind === 'local') return { ...folder(`${localDir}/${name}`), options: owner };
  const mountPoint = `${SANDBOX_DIR}/ephemeral/${name}`;
  if (kind === 'ephemeral') return memory('tmpfs', 'tmpfs', [...size, ...flags, ...owner], mountPoint);
  const pages = pageSizeBytes === undefined ? [] : [`pagesize=${pageSizeBytes}`];
  return memory('nodev', 'hugetlbfs', [...size, ...pages, ...flags, ...owner], mountPoint);
}

function memory(
  source: string,
  fstype: string,
  options: readonly string[],
  mountPoint: string,
): GuestStorage {
  return { driver: 'ephemeral', source, fstype, options, mountPoint, shared: true };
}

function folder(mountPoint: string): Omit<GuestStorage, 'options'> {
  return { driver: 'local', source: 'local', fstype: 'local', mountPoint, shared: true };
}

function ownership(path: string, { uidMappings, gidMappings }: Mount, ownershipOf: OwnershipOf): string[] {
  const { mode, gid } = ownershipOf(path);
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  const mapped = mapId(gid, gidMappings);
  const root = uidMappings === undefined ? [] : [`uid=${mapId(0, uidMappings)}`];
  const group = gid === 0 ? (mapped === 0 ? [] : [`gid=${mapped}`]) : [`fsgid=${mapped}`];
  return [`mode=${octal}`, ...root, ...group];
}

/** Two folders of the same name, as outside of Kubernetes there can be, are two volumes: a hash tells them apart. */
function volumeName(path: string): string {
  return `${posix.basename(path).slice(0, 100)}-${fnv1a(path).toString(16).padStart(8, '0')}`;
}
