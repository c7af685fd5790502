/**
 * How a container's root file system comes into the VM: as a folder that the host shares, or put together in the guest of disks
 * and of what is shared read-only. Pure.
 */
import type { RootfsMount } from '../task-event.ts';
import { guestStack, isForGuest } from './guest-stack.ts';
import {
  guestOverlay,
  ownDisk,
  type RootPlan,
  type RootRequest,
  type RootSettings,
  type RootView,
} from './root-parts.ts';

/** @throws ShimError `invalid-argument` for mounts that no VM can have. */
export function planRoot(request: RootRequest, settings: RootSettings, view: RootView): RootPlan {
  const { rootfs } = request;
  if (rootfs.some(isForGuest)) return guestStack(request, settings, view);
  const [only] = rootfs;
  if (only === undefined) return shared(request, 'it is a folder of the guest image');
  const overlay = rootfs.length === 1 ? overlayOf(only) : undefined;
  if (overlay === undefined) return shared(request, `the snapshotter gives a ${only.type || 'bind'} mount`);
  const { content } = view.upper(overlay.upper);
  if (content === 'disk') return onDisk(request, only, overlay, settings, view, 'it has a disk already');
  if (settings.mode === 'shared') return shared(request, 'rootfs.mode is "shared"');
  if (request.isReadOnly)
    return shared(request, 'it is read-only for the container: nothing would be on a disk');
  if (content === 'files') return shared(request, 'it was written to as a shared folder before');
  return onDisk(request, only, overlay, settings, view, 'rootfs.mode is "disk"');
}

function shared(request: RootRequest, reason: string): RootPlan {
  return { mode: 'shared', host: request.rootfs, storages: [], guestPath: request.sharedPath, reason };
}

interface Overlay {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
}

/** An overlay of folders of the host with a writable one. */
function overlayOf({ type, options }: RootfsMount): Overlay | undefined {
  const value = (name: string) => options.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  const [lower, upper, work] = [value('lowerdir'), value('upperdir'), value('workdir')];
  if (type !== 'overlay' || !lower || !upper || !work) return undefined;
  return { lower, upper, work };
}

/** The lower folders are one folder, put together and shared by the host; the upper is on the snapshot's disk. */
function onDisk(
  request: RootRequest,
  mount: RootfsMount,
  { lower, upper, work }: Overlay,
  settings: RootSettings,
  view: RootView,
  reason: string,
): RootPlan {
  const disk = ownDisk(upper, work, settings);
  return {
    mode: 'disk',
    host: [lowerMount(mount, lower)],
    ...guestOverlay(request.id, request.sharedPath, disk, view.upper(upper)),
    reason: `${reason}: ${disk.path}`,
  };
}

/** An overlay must have two lower folders when it has no upper one; a single one is bound. */
function lowerMount({ target, options }: RootfsMount, lower: string): RootfsMount {
  const kept = options.filter((one) => !/^(upperdir|workdir|lowerdir)=|^(rw|ro|volatile)$/.test(one));
  const folders = lower.split(/(?<!\\):/);
  if (folders.length > 1) {
    return { type: 'overlay', source: 'overlay', target, options: ['ro', `lowerdir=${lower}`, ...kept] };
  }
  const mapped = kept.filter((one) => /^[ug]idmap=/.test(one));
  return { type: 'bind', source: lower.replaceAll('\\:', ':'), target, options: ['bind', 'ro', ...mapped] };
}
