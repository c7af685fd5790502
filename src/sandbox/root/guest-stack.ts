/**
 * Roots of snapshotters with block devices or images (devmapper, blockfile, erofs): their mounts are made in the guest, not on the
 * host. Their mount types and templates are those of containerd's mount manager (core/mount/manager of containerd 2.3).
 * Pure.
 */

import type { RootfsMount } from '../task-event.ts';
import type { DiskFile, GuestStorage } from '../volumes/guest-storage.ts';
import {
  GUEST_ROOTS,
  guestOverlay,
  MKDIR,
  overlayStorage,
  ownDisk,
  type RootPlan,
  type RootRequest,
  type RootSettings,
  type RootView,
  refuseRoot,
} from './root-parts.ts';

/** File systems of disks that the guest's kernel has. */
const DISK_TYPES = ['ext4', 'xfs', 'erofs'];
/** What the mount manager would do first; announced in `-info` as not to be done. */
const TRANSFORMS = ['format', 'mkfs', 'mkdir'];

/** The list for containerd's `containerd.io/runtime-allow-mounts`. */
export const RAW_MOUNT_TYPES = ['erofs', ...TRANSFORMS.map((name) => `${name}/*`)];

/** Whether a mount is one that the guest makes: of a disk, or in the mount manager's own words. */
export function isForGuest({ type, source }: RootfsMount): boolean {
  return type.includes('/') || (DISK_TYPES.includes(type) && source.startsWith('/'));
}

/** The mounts one after the other, each at a place of its own; the last one is the root. */
export function guestStack(request: RootRequest, settings: RootSettings, view: RootView): RootPlan {
  const { id, rootfs } = request;
  const storages: GuestStorage[] = [];
  const places: string[] = [];
  for (const [index, mount] of rootfs.entries()) {
    if (mount.target) throw refuseRoot(`its mounts have targets of their own (${mount.target})`);
    const type = typeOf(mount);
    const options = mount.options.map((option) => fill(option, places));
    const source = fill(mount.source, places);
    const place = `${GUEST_ROOTS}/${id}/${index}`;
    if (options.some((option) => /^[ug]idmap=/.test(option))) {
      throw refuseRoot(`mapped owners (user namespaces) need a snapshotter of folders, not of disks`);
    }
    if (DISK_TYPES.includes(type)) storages.push(diskStorage(mount, type, options, place));
    else if (type === 'bind') storages.push(bindStorage(source, options, place));
    else if (type === 'overlay') storages.push(...overlayStorages(request, options, place, settings, view));
    else throw refuseRoot(`its mounts of disks come with one of type ${JSON.stringify(mount.type)}`);
    places.push(storages.at(-1)!.mountPoint);
  }
  const disks = storages.filter(({ driver }) => driver === 'blk').length;
  const types = [...new Set(rootfs.map(({ type }) => type))].join(', ');
  return {
    mode: 'disk',
    host: [],
    storages,
    guestPath: places.at(-1)!,
    reason: `the snapshotter gives ${types}: ${disks === 1 ? 'a disk' : `${disks} disks`} of the VM`,
  };
}

function typeOf({ type }: RootfsMount): string {
  const words = type.split('/');
  const unknown = words.slice(0, -1).find((word) => !TRANSFORMS.includes(word));
  if (unknown !== undefined) throw refuseRoot(`nothing is known of the mount type ${JSON.stringify(type)}`);
  return words.at(-1)!;
}

/** `{{ mount 0 }}` and `{{ overlay 0 2 }}` (from one to the other, which may be the smaller one). */
function fill(text: string, places: readonly string[]): string {
  const at = (number: string): string => {
    const place = places[Number(number)];
    if (place === undefined)
      throw refuseRoot(`${JSON.stringify(text)} names a mount that does not come before it`);
    return place;
  };
  const filled = text.replaceAll(
    /\{\{\s*(?:mount (\d+)|overlay (\d+) (\d+))\s*\}\}/g,
    (_, one?: string, from?: string, to?: string) => {
      if (one !== undefined) return at(one);
      const [first, last] = [Number(from), Number(to)];
      const count = Math.abs(last - first) + 1;
      if (count > places.length)
        throw refuseRoot(`${JSON.stringify(text)} names mounts that do not come before it`);
      const step = first <= last ? 1 : -1;
      return Array.from({ length: count }, (_one, index) => at(String(first + step * index))).join(':');
    },
  );
  if (filled.includes('{{')) throw refuseRoot(`nothing is known of the template ${JSON.stringify(text)}`);
  return filled;
}

const MKFS = 'X-containerd.mkfs.';
const DEVICE = 'device=';

function diskStorage(
  mount: RootfsMount,
  fstype: string,
  options: readonly string[],
  mountPoint: string,
): GuestStorage {
  const readOnly = fstype === 'erofs' || options.includes('ro');
  const disk: DiskFile = { path: mount.source, readOnly, make: newFileOf(mount) };
  const devices = options
    .filter((option) => option.startsWith(DEVICE))
    .map((option): DiskFile => ({ path: option.slice(DEVICE.length), readOnly: true }));
  const kept = options.filter((option) => !/^(loop|ro|rw|device=.*|X-.*|x-.*)$/.test(option));
  const named = devices.map((_, index) => `${DEVICE}{{ disk ${index} }}`);
  return {
    ...{ driver: 'blk', disk, devices, source: '', fstype, mountPoint, shared: false },
    options: [readOnly ? 'ro' : 'rw', ...kept, ...named],
  };
}

function newFileOf({ type, source, options }: RootfsMount): DiskFile['make'] {
  if (!type.startsWith('mkfs/')) return undefined;
  const value = (name: string) =>
    options.find((one) => one.startsWith(`${MKFS}${name}=`))?.slice(MKFS.length + name.length + 1);
  const fs = value('fs') ?? 'ext4';
  if (fs !== 'ext4')
    throw refuseRoot(`a new file system of type ${JSON.stringify(fs)} is asked for, only ext4 can be made`);
  const sizeBytes = Number(value('size'));
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw refuseRoot(
      `${source} is to be made with the size ${JSON.stringify(value('size'))}, which is no number of bytes`,
    );
  }
  return { sizeBytes, workDir: source.slice(0, source.lastIndexOf('/')) };
}

function bindStorage(source: string, options: readonly string[], mountPoint: string): GuestStorage {
  const kept = options.filter(
    (option) => option !== 'rw' && (!option.startsWith('X-') || option.startsWith(MKDIR)),
  );
  return { driver: 'bind', source, fstype: 'bind', options: kept, mountPoint, shared: false };
}

/** The upper folder is on one of the disks before it, or a folder of the host: then a disk in that folder takes its place. */
function overlayStorages(
  { id }: RootRequest,
  options: readonly string[],
  mountPoint: string,
  settings: RootSettings,
  view: RootView,
): readonly GuestStorage[] {
  const value = (name: string) => options.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  const [lower = '', upper, work] = [value('lowerdir'), value('upperdir'), value('workdir')];
  if (lower.split(':').some((folder) => !folder.startsWith(`${GUEST_ROOTS}/${id}/`))) {
    throw refuseRoot(`the lower folders ${lower} are not all on its disks`);
  }
  if (upper !== undefined && work !== undefined && !upper.startsWith(`${GUEST_ROOTS}/`)) {
    const about = view.upper(upper);
    if (about.content === 'files') {
      throw refuseRoot(`another runtime has written into ${upper}: remove the container and make it again`);
    }
    return guestOverlay(id, lower, ownDisk(upper, work, settings), about).storages;
  }
  const kept = options.filter((option) =>
    /^(lowerdir|upperdir|workdir|X-containerd\.mkdir\.path)=/.test(option),
  );
  return [overlayStorage([...kept, 'xino=on'], mountPoint)];
}
