/**
 * Resizes a running VM: memory through one virtio-mem device, which is plugged in when it is first needed, vCPUs by
 * hot-plug. Memory and vCPUs present at boot stay.
 */

import { VmError, type VmResize, type VmSpec } from '../hypervisor.ts';
import { HOT_PLUG_BUS } from './argv.ts';
import type { QmpClient } from './qmp.ts';

/** Sizes at boot, and ceilings. */
export type ResizeLimits = Pick<VmSpec, 'vcpus' | 'memoryMib' | 'maxVcpus' | 'maxMemoryMib'>;

/** A multiple of virtio-mem's block size, whatever the size of the host's huge pages. */
const STEP_MIB = 4;
/** The device's own size is a multiple of the guest's memory blocks. */
const BLOCK_MIB = 128;
/** The guest plugs or unplugs some GiB per second, but a busy one may take longer. */
const MEMORY_MS = 20_000;

const DEVICE = 'more-memory';

export class Resizer implements VmResize {
  readonly #qmp: QmpClient;
  readonly #limits: ResizeLimits;
  readonly #share: boolean;
  #hasDevice = false;
  #askedMib = 0;
  /** What the guest has plugged; for a while more than asked when memory is taken back. */
  #pluggedMib = 0;
  #onPlugged: () => void = () => undefined;
  #vcpus: number;

  /** @param share whether the files daemon accesses the guest's memory. */
  constructor(qmp: QmpClient, limits: ResizeLimits, share: boolean) {
    this.#qmp = qmp;
    this.#limits = limits;
    this.#share = share;
    this.#vcpus = limits.vcpus;
    qmp.onEvent(({ event, data }) => {
      if (event !== 'MEMORY_DEVICE_SIZE_CHANGE' || data.id !== DEVICE) return;
      this.#pluggedMib = Math.floor(Number(data.size) / 2 ** 20) || 0;
      this.#onPlugged();
    });
  }

  get vcpus(): number {
    return this.#vcpus;
  }

  get memoryMib(): number {
    return this.#limits.memoryMib + Math.max(this.#askedMib, this.#pluggedMib);
  }

  async setMemory(memoryMib: number): Promise<number> {
    const { memoryMib: bootMib, maxMemoryMib = bootMib } = this.#limits;
    const extra = Math.ceil(Math.max(0, memoryMib - bootMib) / STEP_MIB) * STEP_MIB;
    if (extra > this.#mostMib) {
      const problem = `the VM cannot have ${memoryMib} MiB of memory: its ceiling is ${maxMemoryMib} MiB`;
      throw new VmError('hot-plug', problem, { hint: 'raise vm.max_memory_mib in the configuration' });
    }
    const before = this.#askedMib;
    if (extra === before) return this.memoryMib;
    try {
      await this.#plugDevice();
      await this.#ask(extra);
      if (extra > this.#pluggedMib) await this.#plugged(extra);
    } catch (error) {
      if (this.#hasDevice) await this.#ask(before).catch(() => undefined);
      throw new VmError('hot-plug', `the guest did not take memory: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return this.memoryMib;
  }

  async growVcpus(vcpus: number): Promise<number> {
    const { vcpus: bootVcpus, maxVcpus = bootVcpus } = this.#limits;
    if (vcpus > maxVcpus) {
      const problem = `the VM cannot have ${vcpus} vCPUs: its ceiling is ${maxVcpus}`;
      throw new VmError('hot-plug', problem, { hint: 'raise vm.max_vcpus in the configuration' });
    }
    if (vcpus <= this.#vcpus) return this.#vcpus;
    try {
      for (const slot of await this.#freeSlots(vcpus - this.#vcpus)) {
        const { type, props } = slot;
        await this.#qmp.execute('device_add', { driver: type, id: `cpu-${this.#vcpus}`, ...props });
        this.#vcpus++;
      }
    } catch (error) {
      throw new VmError('hot-plug', `cannot add a vCPU: ${(error as Error).message}`, { cause: error });
    }
    return this.#vcpus;
  }

  async #freeSlots(count: number): Promise<CpuSlot[]> {
    const slots = (await this.#qmp.execute('query-hotpluggable-cpus')) as readonly CpuSlot[];
    const free = slots.filter((slot) => slot['qom-path'] === undefined);
    // QEMU lists them in reverse order.
    return free.reverse().slice(0, count);
  }

  get #mostMib(): number {
    const { memoryMib, maxMemoryMib = 0 } = this.#limits;
    return Math.max(0, Math.floor((maxMemoryMib - memoryMib) / BLOCK_MIB)) * BLOCK_MIB;
  }

  async #plugDevice(): Promise<void> {
    if (this.#hasDevice) return;
    const backend = { 'qom-type': 'memory-backend-memfd', id: `${DEVICE}-ram`, share: this.#share };
    await this.#qmp.execute('object-add', { ...backend, size: this.#mostMib * 2 ** 20 });
    const device = { driver: 'virtio-mem-pci', id: DEVICE, memdev: `${DEVICE}-ram`, bus: HOT_PLUG_BUS };
    try {
      await this.#qmp.execute('device_add', { ...device, 'disable-legacy': 'on', 'requested-size': 0 });
    } catch (error) {
      await this.#qmp.execute('object-del', { id: `${DEVICE}-ram` }).catch(() => undefined);
      throw error;
    }
    this.#hasDevice = true;
  }

  /** Resolves when the guest has plugged all of it. @throws Error on timeout, or when QEMU is gone. */
  async #plugged(extraMib: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#onPlugged = () => this.#pluggedMib >= extraMib && done.resolve();
    const timer = setTimeout(() => done.reject(new Error(`not within ${MEMORY_MS} ms`)), MEMORY_MS);
    try {
      await Promise.race([done.promise, this.#qmp.closed.then((why) => Promise.reject(new Error(why)))]);
    } finally {
      clearTimeout(timer);
      this.#onPlugged = () => undefined;
    }
  }

  async #ask(extraMib: number): Promise<void> {
    const value = extraMib * 2 ** 20;
    const property = { path: `/machine/peripheral/${DEVICE}`, property: 'requested-size' };
    await this.#qmp.execute('qom-set', { ...property, value });
    this.#askedMib = extraMib;
  }
}

/** An entry of query-hotpluggable-cpus. */
interface CpuSlot {
  readonly type: string;
  readonly props: Readonly<Record<string, unknown>>;
  /** Present when the slot is taken. */
  readonly 'qom-path'?: string;
}
