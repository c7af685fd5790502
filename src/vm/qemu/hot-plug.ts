/** Hot-plug for QEMU. */
import { hostThread } from '../../host/process.ts';
import { type DiskSpec, type HotPlug, type NicSpec, VmError } from '../hypervisor.ts';
import { blockNode, diskDevice, fdSetPath, HOT_PLUG_BUS, nicBackend, nicDevice } from './argv.ts';
import { diskKind, handOver } from './disk-file.ts';
import { type QmpClient, QmpError } from './qmp.ts';

/** A guest that has not released a device by then is not going to. */
const UNPLUG_MS = 10_000;

/**
 * @param pid QEMU's, on the host.
 * @throws VmError
 */
export function createHotPlug(qmp: QmpClient, pid: number): HotPlug {
  const plugged = new Set<string>();

  const reserve = (device: string): void => {
    if (plugged.has(device)) throw new VmError('hot-plug', `the device ${device} is there already`);
    plugged.add(device);
  };

  const plug = async (device: string, steps: Step[]): Promise<void> => {
    const done: Step[] = [];
    try {
      for (const step of steps) {
        await qmp.execute(step.command, step.args);
        done.unshift(step);
      }
    } catch (error) {
      for (const { undo } of done)
        if (undo) await qmp.execute(undo.command, undo.args).catch(() => undefined);
      plugged.delete(device);
      throw new VmError('hot-plug', `cannot add ${device}: ${(error as Error).message}`, { cause: error });
    }
  };

  const unplug = async (device: string, last: Command): Promise<void> => {
    if (!plugged.has(device)) return;
    try {
      await removeDevice(qmp, device);
      await qmp.execute(last.command, last.args);
    } catch (error) {
      throw new VmError('hot-plug', `cannot remove ${device}: ${(error as Error).message}`, { cause: error });
    }
    plugged.delete(device);
  };

  /** Thread ids on the host, by name: each is used once, whatever QEMU says. */
  const threads = new Map<string, number>();
  const removeThread = async (id: string): Promise<void> => {
    const name = `thread-${id}`;
    threads.delete(id);
    if (!plugged.delete(name)) return;
    await qmp.execute('object-del', { id: name }).catch((error: unknown) => {
      throw new VmError('hot-plug', `cannot remove ${name}: ${(error as Error).message}`, { cause: error });
    });
  };

  return {
    async addDisk(disk: DiskSpec) {
      const device = `disk-${disk.serial}`;
      const node = `node-${disk.serial}`;
      const kind = kindOf(disk);
      reserve(device);
      const set = await handOver(qmp, disk).catch((error: Error) => {
        plugged.delete(device);
        throw new VmError('hot-plug', `cannot add ${device}: ${error.message}`, { cause: error });
      });
      try {
        await plug(device, [
          {
            command: 'blockdev-add',
            args: blockNode(node, fdSetPath(set), disk.readOnly, kind),
            undo: { command: 'blockdev-del', args: { 'node-name': node } },
          },
          { command: 'device_add', args: diskDevice(device, node, disk.serial, HOT_PLUG_BUS) },
        ]);
      } finally {
        // The block node holds a duplicate, which keeps the set until the node is deleted.
        await qmp.execute('remove-fd', { 'fdset-id': set }).catch(() => undefined);
      }
    },
    removeDisk: (serial) =>
      unplug(`disk-${serial}`, { command: 'blockdev-del', args: { 'node-name': `node-${serial}` } }),
    async addNic(nic: NicSpec) {
      const device = `nic-${nic.id}`;
      const id = `net-${nic.id}`;
      reserve(device);
      await plug(device, [
        {
          command: 'netdev_add',
          args: nicBackend(nic),
          undo: { command: 'netdev_del', args: { id } },
        },
        { command: 'device_add', args: nicDevice(nic, HOT_PLUG_BUS) },
      ]);
    },
    removeNic: (id) => unplug(`nic-${id}`, { command: 'netdev_del', args: { id: `net-${id}` } }),
    async addThread(id) {
      const name = `thread-${id}`;
      reserve(name);
      await plug(name, [{ command: 'object-add', args: { 'qom-type': 'iothread', id: name } }]);
      try {
        const number = await numberOf(qmp, pid, name);
        if ([pid, ...threads.values()].includes(number))
          throw new Error(`QEMU names ${number}, which is another's`);
        threads.set(id, number);
        return number;
      } catch (error) {
        await removeThread(id).catch(() => undefined);
        throw new VmError('hot-plug', `cannot add ${name}: ${(error as Error).message}`, { cause: error });
      }
    },
    removeThread,
  };
}

/** The id of a thread on the host. @throws Error when QEMU does not report one, or it is not QEMU's. */
async function numberOf(qmp: QmpClient, pid: number, name: string): Promise<number> {
  const told = await qmp.execute('query-iothreads');
  const threads = Array.isArray(told) ? (told as readonly Record<string, unknown>[]) : [];
  const number = threads.find((thread) => thread?.id === name)?.['thread-id'];
  const onHost = typeof number === 'number' ? hostThread(pid, number) : undefined;
  if (onHost === undefined) throw new Error('QEMU does not tell its number');
  return onHost;
}

interface Command {
  readonly command: string;
  readonly args: Readonly<Record<string, unknown>>;
}

interface Step extends Command {
  readonly undo?: Command;
}

function kindOf({ serial, path }: DiskSpec): 'file' | 'host_device' {
  if (!/^[A-Za-z0-9_-]{1,20}$/.test(serial)) {
    throw new VmError('hot-plug', `bad disk serial ${JSON.stringify(serial)}`);
  }
  try {
    return diskKind(path);
  } catch (error) {
    throw new VmError('hot-plug', `the disk ${path} does not exist`, { cause: error });
  }
}

/** Asks the guest to release the device and waits for DEVICE_DELETED; a device that does not exist is fine. */
async function removeDevice(qmp: QmpClient, device: string): Promise<void> {
  const gone = Promise.withResolvers<void>();
  const off = qmp.onEvent(({ event, data }) => {
    if (event === 'DEVICE_DELETED' && data.device === device) gone.resolve();
  });
  const timer = setTimeout(() => {
    gone.reject(
      new QmpError('device_del', 'Timeout', `the guest did not let go of it within ${UNPLUG_MS} ms`),
    );
  }, UNPLUG_MS);
  gone.promise.catch(() => undefined);
  try {
    await qmp.execute('device_del', { id: device });
    await Promise.race([
      gone.promise,
      qmp.closed.then((why) => Promise.reject(new QmpError('device_del', 'Closed', why))),
    ]);
  } catch (error) {
    if (!(error instanceof QmpError) || error.className !== 'DeviceNotFound') throw error;
  } finally {
    clearTimeout(timer);
    off();
  }
}
