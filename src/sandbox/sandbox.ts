/**
 * A sandbox: one VM and the containers in it. Boots the VM for its first container, adds further ones, and takes
 * everything down again, in the reverse order of how it was made, whoever ends it: containerd, the guest or a crash.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAgent, type GuestAgent } from '../agent/agent.ts';
import type { Config } from '../config/config.ts';
import { createCgroup, vmCgroupPath } from '../host/cgroup.ts';
import { processRef } from '../host/process.ts';
import { sizeVm } from '../oci/sizing.ts';
import type { Spec } from '../oci/spec.ts';
import type { Vm, VmExit } from '../vm/hypervisor.ts';
import { startQemu } from '../vm/qemu/qemu.ts';
import { Container, type ContainerContext } from './container.ts';
import { planContainer } from './container-plan.ts';
import { messageOf, ShimError } from './errors.ts';
import { hostView } from './host-view.ts';
import { Process, type ProcessIo, type StdioPaths } from './process.ts';
import { Share } from './share.ts';
import { removeSandboxDir, SandboxState } from './state.ts';
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
  emit(event: TaskEvent): void;
}

/** A Create request, validated. */
export interface CreateContainer {
  readonly id: string;
  readonly bundle: string;
  readonly spec: Spec;
  readonly rootfs: readonly RootfsMount[];
  readonly paths: StdioPaths;
  openIo(): Promise<ProcessIo>;
}

/** Limits for undoing host resources; generous, because a failure here is a leak. */
const TEARDOWN_MS = 5_000;

export class Sandbox {
  readonly id: string;
  readonly config: Config;
  readonly #context: SandboxContext;
  readonly #vm: Vm;
  readonly #agent: GuestAgent;
  readonly #share: Share;
  readonly #resources: AsyncDisposableStack;
  readonly #containers = new Map<string, Container>();
  #ending: string | undefined;
  #gone: Promise<void> | undefined;

  private constructor(
    context: SandboxContext,
    id: string,
    config: Config,
    parts: { vm: Vm; agent: GuestAgent; share: Share; resources: AsyncDisposableStack },
  ) {
    this.id = id;
    this.config = config;
    this.#context = context;
    this.#vm = parts.vm;
    this.#agent = parts.agent;
    this.#share = parts.share;
    this.#resources = parts.resources;
    void this.#vm.exited.then((exit) => this.#vmExited(exit));
    void this.#agent.closed.then(() => this.#agentLost());
    void this.#agent.watchOom((containerId) => this.#outOfMemory(containerId));
  }

  /**
   * Boots the VM for a sandbox's first container.
   * @throws ShimError or VmError with nothing left behind; also when `signal` aborts.
   */
  static async boot(
    context: SandboxContext,
    first: CreateContainer,
    config: Config,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    await using stack = new AsyncDisposableStack();
    const begin = performance.now();
    const size = sizeVm(first.spec, config.vm);
    const cgroupPath = vmCgroupPath(first.spec.linux?.cgroupsPath ?? '', `${context.namespace}-${first.id}`);
    const state = SandboxState.create({
      version: 1,
      namespace: context.namespace,
      id: first.id,
      createdAt: new Date().toISOString(),
      bundle: first.bundle,
      socket: context.socket,
      shim: processRef(process.pid)!,
      processes: [],
      cgroup: cgroupPath,
      vcpus: size.vcpus,
      memoryMib: size.memoryMib,
    });
    stack.defer(() => removeSandboxDir(state.dir));
    const cgroup = await createCgroup(cgroupPath);
    stack.defer(async () => {
      await cgroup.kill({ timeoutMs: TEARDOWN_MS });
      await cgroup.remove({ timeoutMs: TEARDOWN_MS });
    });
    const share = await Share.create(state.dir);
    const vm = await startQemu(
      {
        id: first.id,
        dir: state.dir,
        vcpus: size.vcpus,
        memoryMib: size.memoryMib,
        kernel: config.vm.kernel,
        image: config.vm.image,
        kernelParams: config.vm.kernelParams,
        accelerator: config.vm.accelerator,
        hypervisorPath: config.vm.path,
        cgroup,
        shared: {
          dir: share.dir,
          daemonPath: config.sharedFs.daemon,
          cache: config.sharedFs.cache,
          extraArgs: config.sharedFs.extraArgs,
        },
      },
      signal,
    );
    stack.defer(async () => {
      await vm.kill();
    });
    state.update({ processes: vm.processes });
    const vmStarted = performance.now();
    const agent = await connectAgent(vm, {
      timeoutMs: config.timeouts.bootMs,
      requestMs: config.timeouts.requestMs,
      signal,
    });
    const agentReady = performance.now();
    await agent.createSandbox({ sandboxId: first.id, hostname: first.spec.hostname ?? '', dns: [] });
    context.log('info', 'sandbox booted', {
      sandbox: first.id,
      vcpus: size.vcpus,
      memoryMib: size.memoryMib,
      vmmMs: Math.round(vmStarted - begin),
      kernelToAgentMs: Math.round(agentReady - vmStarted),
    });
    return new Sandbox(context, first.id, config, { vm, agent, share, resources: stack.move() });
  }

  /** The pid that containerd sees: a live process of the host, in the sandbox's namespaces. */
  get pid(): number {
    return this.#vm.pid;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  get agent(): GuestAgent {
    return this.#agent;
  }

  get containers(): readonly Container[] {
    return [...this.#containers.values()];
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  /** Adds a container to the VM. @throws with nothing of it left on the host or in the guest. */
  async create(request: CreateContainer): Promise<Container> {
    const begin = performance.now();
    await using undo = new AsyncDisposableStack();
    const plan = planContainer(request, this.#share, hostView('share'));
    undo.defer(() => this.#share.removeContainer(request.id));
    if (plan.notes.length > 0)
      this.#context.log('debug', 'left out of the spec', {
        container: request.id,
        notes: plan.notes.join('; '),
      });
    await this.#share.addContainer(plan.host);
    const io = await request.openIo();
    undo.defer(() => io.close());
    const { spec, storages, sandboxPidns } = plan;
    await this.#agent.createContainer(request.id, { spec, storages, sandboxPidns });
    if (this.#gone !== undefined) throw this.#goneError();
    const init = new Process(request.id, '', request.paths, io);
    const container = new Container(
      this.#containerContext(),
      request.id,
      request.bundle,
      request.rootfs,
      init,
    );
    this.#containers.set(request.id, container);
    undo.move();
    container.created();
    this.#context.log('info', 'container created', {
      container: request.id,
      ms: Math.round(performance.now() - begin),
    });
    return container;
  }

  /** Ends a container for containerd, and the VM with the sandbox's own one. */
  async delete(container: Container) {
    const exit = await container.delete(async () => {
      if (container.id === this.id) await this.end('its container was deleted');
      else await this.#release(container.id);
    });
    this.#containers.delete(container.id);
    return exit;
  }

  async #release(id: string): Promise<void> {
    if (this.#gone === undefined) {
      await this.#agent.removeContainer(id).catch((error: unknown) => {
        this.#context.log('warn', 'the guest could not remove a container', {
          container: id,
          error: messageOf(error),
        });
      });
    }
    await this.#share.removeContainer(id);
  }

  /** Takes the VM and everything of the host down; once, for all callers. Never waits for the guest. */
  end(reason: string): Promise<void> {
    this.#ending ??= reason;
    this.#gone ??= this.#teardown();
    return this.#gone;
  }

  async #teardown(): Promise<void> {
    await this.#vm.kill();
    await Promise.all(this.containers.map((container) => container.vmGone()));
    try {
      await this.#resources.disposeAsync();
    } catch (error) {
      this.#context.log('error', 'the sandbox left something behind', {
        sandbox: this.id,
        error: messageOf(error),
      });
    }
  }

  #outOfMemory(containerId: string): void {
    const container = this.#containers.get(containerId);
    if (container === undefined) return; // whatever the guest says
    this.#context.log('warn', 'a process ran out of memory', { container: containerId });
    this.#context.emit({ t: 'oom', containerId });
    // CRI-O takes no events: it looks for this file when the container has exited.
    writeFile(join(container.bundle, 'oom'), '').catch(() => undefined);
  }

  #vmExited(exit: VmExit): void {
    if (this.#ending === undefined) {
      this.#context.log('warn', 'the VM ended', { sandbox: this.id, cause: exit.cause, reason: exit.reason });
    }
    void this.end(exit.reason);
  }

  /** Mostly the VM has ended and says more about it in a moment; else the guest broke its protocol. */
  async #agentLost(): Promise<void> {
    await Promise.race([this.#vm.exited, sleep(500, undefined, { ref: false })]);
    this.#giveUp('the connection to the guest agent broke');
  }

  #giveUp(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#context.log('error', 'the VM is given up', {
      sandbox: this.id,
      reason,
      console: this.#vm.console().slice(-2_000),
    });
    void this.end(reason);
  }

  #goneError(): ShimError {
    return new ShimError('unavailable', `the VM of sandbox ${this.id} is gone: ${this.#ending}`);
  }

  #containerContext(): ContainerContext {
    return {
      agent: this.#agent,
      pid: this.#vm.pid,
      timeouts: this.config.timeouts,
      emit: (event) => this.#context.emit(event),
      giveUp: (reason) => this.#giveUp(reason),
      log: (level, message, fields) => this.#context.log(level, message, fields),
    };
  }
}
