/** What a sandbox is asked for, and what it needs of the shim around it. */
import type { Config } from '../config/config.ts';
import type { OwnCgroup } from '../host/own-cgroup.ts';
import type { Spec } from '../oci/spec.ts';
import type { StartVm } from '../vm/hypervisor.ts';
import type { ProcessIo, StdioPaths } from './process.ts';
import type { RootfsMount, TaskEvent } from './task-event.ts';

export type Logger = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** What a sandbox needs of the shim around it. */
export interface SandboxContext {
  readonly namespace: string;
  readonly socket: string;
  readonly log: Logger;
  /** The shim's own control group, joined while it has a sandbox. */
  readonly cgroup: OwnCgroup;
  /** What starts the VM; QEMU unless told. */
  readonly startVm?: StartVm;
  emit(event: TaskEvent): void;
}

/** A Create request, validated. */
export interface CreateContainer {
  readonly id: string;
  readonly bundle: string;
  readonly spec: Spec;
  readonly rootfs: readonly RootfsMount[];
  /** A folder of the guest's own image that is its root instead. */
  readonly guestRoot?: string;
  /** Its /dev/shm is the pod's, although the spec asks for one of its own. */
  readonly podShm?: boolean;
  readonly paths: StdioPaths;
  openIo(): Promise<ProcessIo>;
}

/** What decides how a sandbox boots. */
export interface BootRequest {
  readonly first: CreateContainer;
  readonly config: Config;
  /** The sandbox is a pod of Kubernetes. */
  readonly pod: boolean;
}
