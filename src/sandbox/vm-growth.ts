/**
 * Keeps the VM of a sandbox large enough for the limits of its containers, which can be raised while they run (in-place resize of
 * Kubernetes, `docker update`), and takes memory back when they are lowered.
 */
import type { GuestAgent } from '../agent/agent.ts';
import { messageOf } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { type ContainerLimits, limitsOf, sizeFor } from '../oci/sizing.ts';
import type { Resources } from '../oci/spec.ts';
import type { VmResize } from '../vm/hypervisor.ts';

export interface VmGrowthContext {
  readonly size: VmResize;
  readonly agent: Pick<GuestAgent, 'call'>;
  readonly overheadVcpus: number;
  readonly overheadMemoryMib: number;
  /** Of the host. */
  readonly cpus: number;
  /** One that has exited takes nothing any more. */
  isOver(containerId: string): boolean;
  /** Lets the VM take so much of the host, and notes it. */
  allow(size: { readonly vcpus: number; readonly memoryMib: number }): void;
  log(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void;
}

export class VmGrowth {
  readonly #context: VmGrowthContext;
  readonly #containers = new Map<string, ContainerLimits>();
  readonly #queue = new SerialQueue();
  /** vCPUs that the guest uses; one that was plugged in is not among them before the guest has said so. */
  #online: number;

  constructor(context: VmGrowthContext) {
    this.#context = context;
    this.#online = context.size.vcpus;
  }

  /**
   * The container is to have these limits from now on; what is not among them stays as it was. The VM has grown when this resolves.
   * @throws VmError or AgentError when the VM cannot: then the container counts with what it had, and memory goes back.
   */
  set(containerId: string, resources: Resources | undefined): Promise<void> {
    return this.#queue.run(async () => {
      const before = this.#containers.get(containerId);
      this.#containers.set(containerId, limitsOf(resources, before));
      try {
        await this.#grow();
      } catch (error) {
        this.#restore(containerId, before);
        throw error;
      }
    });
  }

  /** After limits were lowered: memory that is not needed any more goes back. Never rejects. */
  shrink(): Promise<void> {
    return this.#queue.run(async () => {
      const { size, log } = this.#context;
      const { memoryMib } = this.#wanted();
      if (memoryMib >= size.memoryMib) return;
      await size.setMemory(memoryMib).catch((error: unknown) => {
        log('warn', 'the VM does not give memory back', { error: messageOf(error) });
      });
    });
  }

  release(containerId: string): void {
    this.#containers.delete(containerId);
  }

  #restore(containerId: string, before: ContainerLimits | undefined): void {
    if (before === undefined) this.#containers.delete(containerId);
    else this.#containers.set(containerId, before);
  }

  #wanted() {
    const { overheadVcpus, overheadMemoryMib, cpus, isOver } = this.#context;
    const live = [...this.#containers].flatMap(([id, limits]) => (isOver(id) ? [] : [limits]));
    return sizeFor(live, { overheadVcpus, overheadMemoryMib, cpus });
  }

  async #grow(): Promise<void> {
    const { size, allow, log } = this.#context;
    const wanted = this.#wanted();
    const before = { vcpus: size.vcpus, memoryMib: size.memoryMib };
    if (wanted.vcpus <= this.#online && wanted.memoryMib <= before.memoryMib) return;
    const begin = performance.now();
    const most = {
      vcpus: Math.max(wanted.vcpus, before.vcpus),
      memoryMib: Math.max(wanted.memoryMib, before.memoryMib),
    };
    allow(most);
    try {
      if (wanted.memoryMib > before.memoryMib) await size.setMemory(wanted.memoryMib);
      if (wanted.vcpus > this.#online) await this.#growVcpus(wanted.vcpus);
    } catch (error) {
      await this.#takeBack(before.memoryMib);
      throw error;
    }
    log('info', 'the VM has grown', { ...most, ms: Math.round(performance.now() - begin) });
  }

  async #growVcpus(vcpus: number): Promise<void> {
    const { size, agent } = this.#context;
    const nbCpus = await size.growVcpus(vcpus);
    await agent.call('onlineCPUMem', 'taking new vCPUs into use', { nbCpus, cpuOnly: true, wait: true });
    this.#online = nbCpus;
  }

  /** After a failure, which is what the caller hears of. */
  async #takeBack(memoryMib: number): Promise<void> {
    const { size, allow, log } = this.#context;
    try {
      await size.setMemory(memoryMib);
      allow({ vcpus: size.vcpus, memoryMib: size.memoryMib });
    } catch (error) {
      log('warn', 'the VM does not give memory back', { error: messageOf(error) });
    }
  }
}
