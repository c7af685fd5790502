/**
 * What the rest of the shim knows of a virtual machine monitor: a spec (before boot) and a running VM
 * (after it) are different types, so that nothing can be asked of a VM that does not run.
 */
import type { Duplex } from 'node:stream';
import { ShimError } from '../base/errors.ts';
import type { Cgroup } from '../host/cgroup.ts';
import type { ProcessRef } from '../host/process.ts';

/** The folder that the host shares with the guest over virtio-fs. */
export interface SharedFolder {
  /** Absolute path of the exported folder. The guest cannot write in it, only in what is mounted below, now or later. */
  readonly dir: string;
  /** The daemon's program, bulkhead-files. */
  readonly program: string;
  /** How many files the guest may hold, open ones among them. */
  readonly mostFiles: number;
}

/** A block device of the host, given to the guest as virtio-blk. */
export interface DiskSpec {
  /** At most 20 bytes of [A-Za-z0-9_-]; the guest finds the disk by it (`/sys/block/X/serial`). */
  readonly serial: string;
  /** Regular file or block device with raw content. */
  readonly path: string;
  readonly readOnly: boolean;
  /** A file that this project made: nothing that could lead elsewhere is followed. */
  readonly isOwn?: boolean;
}

/** A network card of the guest: a tap that exists already in the VMM's network namespace. */
export interface NicSpec {
  /** Unique in this VM, [a-z0-9-]. */
  readonly id: string;
  readonly tap: string;
  readonly mac: string;
  /** The kernel moves the frames (vhost-net) instead of the VMM. */
  readonly vhost?: boolean;
}

/** Everything that must be known before a VM starts. Sizes are whole units, paths are absolute. */
export interface VmSpec {
  readonly id: string;
  /** Existing folder, mode 0700, for this VM's own files. */
  readonly dir: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** How far it can grow while it runs; absent: not at all. */
  readonly maxVcpus?: number;
  readonly maxMemoryMib?: number;
  /** Uncompressed ELF kernel (or a bzImage). */
  readonly kernel: string;
  /** Raw root file system image, attached read-only as the first disk. */
  readonly image: string;
  /** Appended to the kernel command line that the hypervisor needs, so that it wins. */
  readonly kernelParams: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly hypervisorPath: string;
  /** All processes of the VM join it before they exec. */
  readonly cgroup?: Cgroup;
  /** User and group that the VMM runs as, its own on this host; 0 is root's. */
  readonly uid: number;
  /** How gladly the kernel ends the VM when the host has no memory left, -1000 to 1000; absent: as the caller. */
  readonly oomScoreAdj?: number;
  /** Network namespace of the VMM; absent: an empty one of its own, which ends with it. */
  readonly netnsPath?: string;
  readonly shared?: SharedFolder;
  /** Devices that are there at boot; others can be added to a running VM. */
  readonly disks?: readonly DiskSpec[];
  readonly nics?: readonly NicSpec[];
}

/** How a VM ended. */
export interface VmExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly cause: VmExitCause;
  /** For people: the cause, with the end of the VMM's stderr or of the console where that says more. */
  readonly reason: string;
}

export type VmExitCause =
  | 'killed'
  | 'guest-panicked'
  | 'guest-reset'
  | 'guest-powered-off'
  | 'files-died'
  | 'vmm-exited'
  | 'host-out-of-memory';

export interface VmProcess extends ProcessRef {
  readonly name: string;
}

/** Devices that come and go while the VM runs. Each call is bounded in time and rejects with VmError. */
export interface HotPlug {
  /** Resolves when the device is attached; the guest sees it some 100 ms later, by uevent. */
  addDisk(disk: DiskSpec): Promise<void>;
  /** Resolves when the guest has let go of the device; unknown serials are fine. */
  removeDisk(serial: string): Promise<void>;
  addNic(nic: NicSpec): Promise<void>;
  removeNic(id: string): Promise<void>;
  /**
   * Starts a thread of the VMM that only waits. Its number is good wherever a pid of the host is asked for, and lives
   * as long as the VMM: so each container of a VM can have a number of its own.
   * @param id unique in this VM, [A-Za-z0-9_.-].
   * @returns the thread's number.
   */
  addThread(id: string): Promise<number>;
  /** Unknown ids are fine. */
  removeThread(id: string): Promise<void>;
}

/** How large a running VM is, and how it becomes larger or smaller. */
export interface VmResize {
  readonly vcpus: number;
  /** At most: memory that is being taken back counts. */
  readonly memoryMib: number;
  /**
   * Gives the VM at least this much memory; or takes back what it has beyond that and did not boot with, as much and as soon as
   * the guest can.
   * @returns what it has at most from now on, in MiB.
   * @throws VmError with nothing changed: above the ceiling, or the guest does not take it in time.
   */
  setMemory(memoryMib: number): Promise<number>;
  /**
   * Plugs vCPUs in, which the guest has to bring online. None is ever taken away.
   * @returns how many the VM has then.
   * @throws VmError above the ceiling.
   */
  growVcpus(vcpus: number): Promise<number>;
}

/** A VM that runs. */
export interface Vm {
  /** The VMM: a live process of the host until `exited`. */
  readonly pid: number;
  readonly processes: readonly VmProcess[];
  /** Byte channel to the agent in the guest; what is written before the guest listens is held, not lost. */
  readonly agent: Duplex;
  /** Settles once, when every process of the VM is gone; never rejects. */
  readonly exited: Promise<VmExit>;
  readonly devices: HotPlug;
  readonly size: VmResize;
  /** Calls back when the guest holds many files; with true when it has been told so and holds yet more. */
  onManyFiles(listener: (again: boolean) => void): void;
  /** The end of the guest's console, sanitized, at most 64 KiB. */
  console(): string;
  /** The end of the VMM's and the daemon's stderr, sanitized. */
  stderr(): string;
  /** SIGKILL to all; idempotent; resolves with the exit, in bounded time. */
  kill(): Promise<VmExit>;
  /** Stops and continues the virtual CPUs. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/**
 * Starts a VM: resolves when it runs the guest, not when its agent answers.
 * @throws VmError with nothing left behind; also when `signal` aborts.
 */
export type StartVm = (spec: VmSpec, signal: AbortSignal) => Promise<Vm>;

/** Where in the life of a VM an error came up. */
export type VmStage = 'check' | 'files' | 'vmm' | 'boot' | 'hot-plug' | 'run';

export interface VmErrorDetail {
  /** What the operator can do about it. */
  readonly hint?: string;
  readonly console?: string;
  readonly stderr?: string;
  readonly cause?: unknown;
}

/** An error of a VM: `message` says what, where and what to do, and ends with the last output there is. */
export class VmError extends ShimError {
  readonly stage: VmStage;
  readonly hint: string | undefined;
  readonly console: string;
  readonly stderr: string;

  constructor(stage: VmStage, what: string, detail: VmErrorDetail = {}) {
    const parts = [what];
    if (detail.hint) parts.push(detail.hint);
    if (detail.stderr?.trim()) parts.push(`stderr: ${detail.stderr.trim()}`);
    if (detail.console?.trim()) parts.push(`console: ${detail.console.trim()}`);
    const options = detail.cause === undefined ? undefined : { cause: detail.cause };
    super('failed-precondition', parts.join('; '), options);
    this.name = 'VmError';
    this.stage = stage;
    this.hint = detail.hint;
    this.console = detail.console ?? '';
    this.stderr = detail.stderr ?? '';
  }
}
