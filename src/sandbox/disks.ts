/** Block devices of the host that containers of a sandbox have: plugged into the VM once, while somebody uses them. */
import { statSync } from 'node:fs';
import type { AllowedDevice } from '../host/cgroup-limits.ts';
import type { HotPlug } from '../vm/hypervisor.ts';
import { SerialQueue } from './serial-queue.ts';

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

interface Disk {
  readonly serial: string;
  readonly users: Set<string>;
}

export class Disks {
  readonly #plug: Pick<HotPlug, 'addDisk' | 'removeDisk'>;
  readonly #beforeUse: (source: string) => void;
  readonly #disks = new Map<string, Disk>();
  readonly #queue = new SerialQueue();
  #count = 0;

  /** @param beforeUse called with a node of the host before the VM gets it. */
  constructor(
    plug: Pick<HotPlug, 'addDisk' | 'removeDisk'>,
    beforeUse: (source: string) => void = () => undefined,
  ) {
    this.#plug = plug;
    this.#beforeUse = beforeUse;
  }

  /** Plugs in what is not there yet. @throws VmError; `release` undoes what was done. */
  use(containerId: string, uses: readonly DiskUse[]): Promise<GuestDevice[]> {
    return this.#queue.run(async () => {
      const devices: GuestDevice[] = [];
      for (const { source, readOnly, containerPath } of uses) {
        const key = JSON.stringify([source, readOnly]);
        let disk = this.#disks.get(key);
        if (disk === undefined) {
          disk = { serial: `bulkhead-disk-${++this.#count}`, users: new Set() };
          this.#beforeUse(source);
          await this.#plug.addDisk({ serial: disk.serial, path: source, readOnly });
          this.#disks.set(key, disk);
        }
        disk.users.add(containerId);
        devices.push({ type: 'blk', id: `serial:${disk.serial}`, containerPath });
      }
      return devices;
    });
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

/** The device that a node stands for; undefined for what is no block device, or not there. */
export function diskDevice(path: string): AllowedDevice | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isBlockDevice() !== true) return undefined;
  // As makedev(3) of glibc puts them together.
  const number = BigInt(stat.rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return { type: 'b', major: Number(major), minor: Number(minor) };
}
