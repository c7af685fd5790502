/**
 * What the rest of the shim knows about a VMM. A spec (before boot) and a running VM (after it) are different types, so
 * that nothing can be asked of a VM that does not run.
 */
import type { Duplex } from 'node:stream';
import { ShimError } from '../base/errors.ts';
import type { Cgroup } from '../host/cgroup.ts';
import type { ProcessRef } from '../host/process.ts';

/** The folder that the host shares with the guest over virtio-fs. */
export interface SharedFolder {
  /** Absolute path of the exported folder. The guest can write only to what is mounted below it, now or later. */
  readonly dir: string;
  /** The daemon's program, bulkhead-files. */
  readonly program: string;
  /** How many files the guest may hold, including open ones. */
  readonly mostFiles: number;
}

/** A file or block device on the host that the guest gets as virtio-blk. */
export interface DiskSpec {
  /** At most 20 bytes of [A-Za-z0-9_-]; the guest finds the disk by it (`/sys/block/X/serial`). */
  readonly serial: string;
  /** Regular file or block device with raw content. */
  readonly path: string;
  readonly readOnly: boolean;
  /** A file that bulkhead created: no symbolic link is followed, and it must be a regular file. */
  readonly isOwn?: boolean;
}

/** A NIC of the guest, backed by a tap that already exists in the VMM's network namespace. */
export interface NicSpec {
  /** Unique in this VM, [a-z0-9-]. */
  readonly id: string;
  readonly tap: string;
  readonly mac: string;
  /** The kernel moves the frames (vhost-net) instead of the VMM. */
  readonly vhost?: boolean;
}

/** Everything that must be known before a VM starts. Sizes are integers, paths are absolute. */
export interface VmSpec {
  readonly id: string;
  /** Existing folder, mode 0700, for this VM's own files. */
  readonly dir: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** How far the running VM can grow; absent: it cannot. */
  readonly maxVcpus?: number;
  readonly maxMemoryMib?: number;
  /** Uncompressed ELF kernel (or a bzImage). */
  readonly kernel: string;
  /** Raw root file system image, attached read-only as the first disk. */
  readonly image: string;
  /** Appended to the kernel command line that the hypervisor needs, and so takes precedence. */
  readonly kernelParams: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly hypervisorPath: string;
  /** All processes of the VM join it before they exec. */
  readonly cgroup?: Cgroup;
  /** User and group that the VMM runs as: unique on this host, or 0 for root. */
  readonly uid: number;
  /** The VM's oom_score_adj, -1000 to 1000; absent: the caller's. */
  readonly oomScoreAdj?: number;
  /** Network namespace of the VMM; absent: a new, empty one. */
  readonly netnsPath?: string;
  readonly shared?: SharedFolder;
  /** Devices present at boot; others can be added to a running VM. */
  readonly disks?: readonly DiskSpec[];
  readonly nics?: readonly NicSpec[];
}

/** How a VM ended. */
export interface VmExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly cause: VmExitCause;
  /** For the operator: the cause, with the end of the VMM's stderr or of the console if that says more. */
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

/** Hot-plug. Each call rejects with VmError, also when QEMU or the guest does not answer in time. */
export interface HotPlug {
  /** Resolves when the device is attached; the guest gets its uevent some 100 ms later. */
  addDisk(disk: DiskSpec): Promise<void>;
  /** Resolves when the guest has released the device; unknown serials are fine. */
  removeDisk(serial: string): Promise<void>;
  addNic(nic: NicSpec): Promise<void>;
  removeNic(id: string): Promise<void>;
  /**
   * Starts an idle thread of the VMM. Its id works wherever a pid is expected on the host, and lives as long as the
   * VMM, so that each container of a VM can have a pid of its own.
   * @param id unique in this VM, [A-Za-z0-9_.-].
   * @returns the thread's id on the host.
   */
  addThread(id: string): Promise<number>;
  /** Unknown ids are fine. */
  removeThread(id: string): Promise<void>;
}

/** The size of a running VM, and how to change it. */
export interface VmResize {
  readonly vcpus: number;
  /** An upper bound: includes memory that is still being taken back. */
  readonly memoryMib: number;
  /**
   * Gives the VM at least this much memory; or takes back what it has beyond that, except what it booted with, as much
   * and as soon as the guest can.
   * @returns the most that it has from now on, in MiB.
   * @throws VmError, with nothing changed, above the ceiling or when the guest does not take it in time.
   */
  setMemory(memoryMib: number): Promise<number>;
  /**
   * Hot-plugs vCPUs, which the guest must bring online. They are never unplugged.
   * @returns how many the VM has afterwards.
   * @throws VmError above the ceiling.
   */
  growVcpus(vcpus: number): Promise<number>;
}

/** A running VM. */
export interface Vm {
  /** The VMM's pid on the host; alive until `exited`. */
  readonly pid: number;
  readonly processes: readonly VmProcess[];
  /** Byte channel to the guest's agent; what is written before the guest listens is buffered, not lost. */
  readonly agent: Duplex;
  /** Resolves once the VMM and the files daemon are gone; never rejects. */
  readonly exited: Promise<VmExit>;
  readonly devices: HotPlug;
  readonly size: VmResize;
  /** Calls back when the guest holds many files; with true when it was asked to forget some, but holds even more. */
  onManyFiles(listener: (again: boolean) => void): void;
  /** The end of the guest's console, sanitized, at most 64 KiB. */
  console(): string;
  /** The end of the VMM's and the daemon's stderr, sanitized. */
  stderr(): string;
  /** Kills the VM with SIGKILL. Idempotent. Resolves with the exit; within 5 s, even when QEMU does not die. */
  kill(): Promise<VmExit>;
  /** Stops the vCPUs; `resume` lets them continue. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/**
 * Starts a VM. Resolves when it runs the guest, not when the agent answers.
 * @throws VmError with nothing left behind; also when `signal` aborts.
 */
export type StartVm = (spec: VmSpec, signal: AbortSignal) => Promise<Vm>;

/** The stage of a VM's life in which an error occurred. */
export type VmStage = 'check' | 'files' | 'vmm' | 'boot' | 'hot-plug' | 'run';

export interface VmErrorDetail {
  /** What the operator can do about it. */
  readonly hint?: string;
  readonly console?: string;
  readonly stderr?: string;
  readonly cause?: unknown;
}

/** A VM's error: `message` says what, where and what to do, and ends with the last stderr and console output. */
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
