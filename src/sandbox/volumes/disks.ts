/** Disks that containers of a sandbox have: plugged into the VM once, while somebody uses them. */

import { SerialQueue } from '../../base/serial-queue.ts';
import type { DiskSpec, HotPlug } from '../../vm/hypervisor.ts';
import type { RootPlan } from '../root/root-parts.ts';
import { provideDisk } from './disk-image.ts';
import { explainPlug } from './guest-errors.ts';
import type { DiskFile, GuestStorage } from './guest-storage.ts';

/** A block device that a container asks for. */
export interface DiskUse {
  /** Node of the host. */
  readonly source: string;
  readonly readOnly: boolean;
  /** Where the container has it; the spec lists a device of that path. */
  readonly containerPath: string;
}

/** What the agent needs to find a device in the guest. */
export interface GuestDevice {
  readonly type: 'blk';
  readonly id: string;
  readonly containerPath: string;
}

/** A storage as the agent takes it. */
export type AgentStorage = Omit<GuestStorage, 'disk' | 'devices'>;

/** No container's id: a user that never releases. */
const BOOT = '';

interface Disk {
  readonly serial: string;
  readonly users: Set<string>;
}

/** The disks of a storage: its own first. */
function disksOf({ disk, devices = [] }: GuestStorage): readonly DiskFile[] {
  return disk === undefined ? [] : [disk, ...devices];
}

/** Further disks of an erofs hold data of any form. */
function fstypeOf(
  { disk, fstype }: Pick<GuestStorage, 'disk' | 'fstype'>,
  one: DiskFile,
): string | undefined {
  return one === disk ? fstype : undefined;
}

const keyOf = (path: string, readOnly: boolean): string => JSON.stringify([path, readOnly]);

/** The disks of a root, for a VM that is about to boot. @throws ShimError */
export async function bootDisks({ storages }: RootPlan, signal: AbortSignal): Promise<DiskSpec[]> {
  const specs = new Map<string, DiskSpec>();
  for (const storage of storages) {
    for (const disk of disksOf(storage)) {
      const { path, readOnly, make } = disk;
      await provideDisk(disk, fstypeOf(storage, disk), signal);
      const spec = { serial: `bulkhead-root-${specs.size}`, path, readOnly, isOwn: make !== undefined };
      if (!specs.has(keyOf(path, readOnly))) specs.set(keyOf(path, readOnly), spec);
    }
  }
  return [...specs.values()];
}

export class Disks {
  readonly #plug: Pick<HotPlug, 'addDisk' | 'removeDisk'>;
  readonly #disks = new Map<string, Disk>();
  readonly #queue = new SerialQueue();
  #count = 0;

  /** @param boot what the VM has from its boot on: it stays, whoever uses it. */
  constructor(plug: Pick<HotPlug, 'addDisk' | 'removeDisk'>, boot: readonly DiskSpec[] = []) {
    this.#plug = plug;
    for (const { serial, path, readOnly } of boot) {
      this.#disks.set(keyOf(path, readOnly), { serial, users: new Set([BOOT]) });
    }
  }

  isUsedBy(containerId: string): boolean {
    return [...this.#disks.values()].some(({ users }) => users.has(containerId));
  }

  /** Plugs in what is not there yet. @throws VmError; `release` undoes what was done. */
  use(containerId: string, uses: readonly DiskUse[]): Promise<GuestDevice[]> {
    return this.#queue.run(async () => {
      const devices: GuestDevice[] = [];
      for (const { source, readOnly, containerPath } of uses) {
        const serial = await this.#have(containerId, { path: source, readOnly });
        devices.push({ type: 'blk', id: `serial:${serial}`, containerPath });
      }
      return devices;
    });
  }

  /**
   * Plugs in the disks of storages, and names them as the guest does. Files that are not there are made.
   * @throws ShimError or VmError; `release` undoes what was done.
   */
  storages(
    containerId: string,
    storages: readonly GuestStorage[],
    signal: AbortSignal,
  ): Promise<AgentStorage[]> {
    return this.#queue.run(async () => {
      const named: AgentStorage[] = [];
      for (const { disk, devices = [], ...storage } of storages) {
        if (disk === undefined) {
          named.push(storage);
          continue;
        }
        const serials: string[] = [];
        for (const one of [disk, ...devices]) {
          if (!this.#disks.has(keyOf(one.path, one.readOnly))) {
            await provideDisk(one, fstypeOf({ disk, ...storage }, one), signal);
          }
          serials.push(`serial:${await this.#have(containerId, one)}`);
        }
        const [source = '', ...others] = serials;
        const options = storage.options.map((option) =>
          option.replace(/\{\{ disk (\d+) \}\}/, (_, number: string) => others[Number(number)] ?? ''),
        );
        named.push({ ...storage, source, options });
      }
      return named;
    });
  }

  async #have(containerId: string, { path, readOnly, make }: DiskFile): Promise<string> {
    const key = keyOf(path, readOnly);
    let disk = this.#disks.get(key);
    if (disk === undefined) {
      disk = { serial: `bulkhead-disk-${++this.#count}`, users: new Set() };
      const spec = { serial: disk.serial, path, readOnly, isOwn: make !== undefined };
      await this.#plug.addDisk(spec).catch((error: unknown) => {
        throw explainPlug(error, [spec]);
      });
      this.#disks.set(key, disk);
    }
    disk.users.add(containerId);
    return disk.serial;
  }

  /** Takes out what nobody else uses. Idempotent. @throws VmError when the guest does not let go of it. */
  release(containerId: string): Promise<void> {
    return this.#queue.run(async () => {
      for (const [key, { serial, users }] of this.#disks) {
        if (!users.delete(containerId) || users.size > 0) continue;
        this.#disks.delete(key);
        await this.#plug.removeDisk(serial);
      }
    });
  }
}
