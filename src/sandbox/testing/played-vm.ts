/** A VM of a played guest, for tests: its devices are names, its end is the test's. Not shipped. */
import type { Duplex } from 'node:stream';
import type { HotPlug, Vm, VmExit, VmProcess, VmResize, VmSpec } from '../../vm/hypervisor.ts';
import type { PlayedGuest } from './played-guest.ts';

export class PlayedVm implements Vm {
  /** Of a process in a network namespace of its own. */
  pid: number;
  readonly processes: readonly VmProcess[] = [];
  readonly spec: VmSpec;
  readonly agent: Duplex;
  readonly exited: Promise<VmExit>;
  readonly devices: HotPlug;
  readonly size: VmResize;
  /** Of the devices, that are there now: `addDisk x`, `addThread c`. */
  readonly plugged = new Set<string>();
  /** Errors of the devices, by method. */
  readonly fails = new Map<string, Error>();
  /** What `kill` does before the VM is gone. */
  beforeKill: () => Promise<void> = async () => {};
  isRunning = true;
  #threads = 1_000_000;
  readonly #exit = Promise.withResolvers<VmExit>();
  readonly #die: (reason: string) => void;

  constructor(spec: VmSpec, guest: PlayedGuest, pid: number) {
    this.spec = spec;
    this.pid = pid;
    const { host, die } = guest.agent();
    this.agent = host.agent;
    this.#die = die;
    this.exited = this.#exit.promise;
    const add = (kind: string) => async (name: string) => this.#device(`add${kind}`, name);
    const remove = (kind: string) => async (name: string) => this.#device(`remove${kind}`, name);
    const { vcpus, memoryMib } = spec;
    const size = { vcpus, memoryMib };
    this.size = Object.assign(size, {
      setMemory: async (mib: number) => (size.memoryMib = Math.max(memoryMib, mib)),
      growVcpus: async (count: number) => (size.vcpus = Math.max(size.vcpus, count)),
    });
    this.devices = {
      addDisk: ({ serial }) => add('Disk')(serial),
      removeDisk: remove('Disk'),
      addNic: ({ id }) => add('Nic')(id),
      removeNic: remove('Nic'),
      addThread: async (id) => {
        await add('Thread')(id);
        return ++this.#threads;
      },
      removeThread: remove('Thread'),
    };
  }

  #device(method: string, name: string): void {
    const error = this.fails.get(method);
    if (error !== undefined) throw error;
    if (method.startsWith('add')) this.plugged.add(`${method.slice(3)} ${name}`);
    else this.plugged.delete(`${method.slice(6)} ${name}`);
  }

  /** The VM ends, by itself unless told otherwise. */
  end(exit: Partial<VmExit> = {}): void {
    this.isRunning = false;
    const whole = { code: 0, signal: null, cause: 'guest-reset', reason: 'the guest reset itself', ...exit };
    this.#exit.resolve(whole as VmExit);
    this.#die(whole.reason);
  }

  async kill(): Promise<VmExit> {
    await this.beforeKill();
    this.end({ cause: 'killed', reason: 'the VM was killed' });
    return this.exited;
  }

  onManyFiles(): void {}
  console = () => '';
  stderr = () => '';
  async pause(): Promise<void> {}
  async resume(): Promise<void> {}
}
