/** Block devices of the host that containers of a sandbox have: plugged into the VM once, while somebody uses them. */
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
  readonly #disks = new Map<string, Disk>();
  readonly #queue = new SerialQueue();
  #count = 0;

  constructor(plug: Pick<HotPlug, 'addDisk' | 'removeDisk'>) {
    this.#plug = plug;
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
