/**
 * A sandbox: one VM and the containers in it, from the boot (boot.ts) until everything is taken down again, in the
 * reverse order of how it was made, whoever ends it: containerd, the guest or a crash.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestAgent } from '../agent/agent.ts';
import { onAbort } from '../base/abort.ts';
import { delay } from '../base/delay.ts';
import { messageOf, ShimError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { GuestService } from '../gen/guest.ts';
import { hostCapacity } from '../host/capacity.ts';
import { setOomScore } from '../host/oom-score.ts';
import { parseResources } from '../oci/spec.ts';
import type { VmExit } from '../vm/hypervisor.ts';
import { type BootedVm, bootVm } from './boot.ts';
import { Container, type ContainerContext } from './container.ts';
import { type HookStage, hasHooks, runHooks } from './hooks.ts';
import { OomReports } from './oom-reports.ts';
import { firstOomScore, OomScore } from './oom-score.ts';
import { type PreparedContainer, prepareContainer } from './prepare.ts';
import { Process } from './process.ts';
import type { BootRequest, CreateContainer, SandboxContext } from './request.ts';
import { rootOf } from './root/prepare-root.ts';
import { VmGrowth } from './vm-growth.ts';
import { Disks } from './volumes/disks.ts';
import { explainCreate } from './volumes/guest-errors.ts';
import { forgetWhenMany } from './volumes/held-files.ts';
import { WatchedFolders } from './volumes/watched-folders.ts';

/** For containers that have disks when their sandbox is ended: containerd waits for that. */
const STOP_WRITERS_MS = 2_000;

export class Sandbox {
  readonly id: string;
  readonly config: Config;
  readonly #context: SandboxContext;
  readonly #booted: BootedVm;
  readonly #disks: Disks;
  readonly #oomScore: OomScore;
  readonly #watched: WatchedFolders;
  readonly #growth: VmGrowth;
  readonly #oom = new OomReports((containerId, count) => this.#outOfMemory(containerId, count));
  readonly #containers = new Map<string, Container>();
  /** The network as the container manager has set it up by the time of the first start. */
  #settled: Promise<void> | undefined;
  readonly #isPod: boolean;
  #isOwnDeleted = false;
  #ending: string | undefined;
  #gone: Promise<void> | undefined;

  private constructor(context: SandboxContext, request: BootRequest, booted: BootedVm) {
    this.id = request.first.id;
    this.#isPod = request.pod;
    this.config = request.config;
    this.#context = context;
    this.#booted = booted;
    this.#disks = new Disks(booted.vm.devices, booted.disks);
    this.#oomScore = new OomScore(firstOomScore(request.first.spec, request.pod), (score) => {
      const problems = booted.cgroup.procs().flatMap((pid) => setOomScore(pid, score) ?? []);
      if (problems.length > 0) context.log('debug', 'oom_score_adj', { problems });
    });
    const { overheadVcpus, overheadMemoryMib } = this.config.vm;
    this.#growth = new VmGrowth({
      ...{ size: booted.vm.size, agent: booted.agent, overheadVcpus, overheadMemoryMib },
      cpus: hostCapacity().cpus,
      isOver: (id) => this.find(id)?.init.isOver === true,
      allow: (size) => booted.allow(size),
      log: context.log,
    });
    const guest = booted.agent.client(GuestService);
    this.#watched = new WatchedFolders(
      async (mountPoint) => {
        await guest.refreshVolume({ mountPoint }, { timeoutMs: this.config.timeouts.requestMs });
      },
      (message, fields) => context.log('debug', message, fields),
    );
    forgetWhenMany(booted, this.config.timeouts.requestMs, context.log);
    void booted.vm.exited.then((exit) => this.#vmExited(exit));
    void booted.agent.closed.then(() => this.#agentLost());
    void booted.agent.watchOom((containerId) => {
      if (this.#containers.has(containerId)) this.#oom.add(containerId); // whatever the guest says
    });
  }

  /**
   * Boots the VM and creates its first container.
   * @throws with nothing left behind; also when `signal` aborts.
   */
  static async boot(context: SandboxContext, request: BootRequest, signal: AbortSignal): Promise<Sandbox> {
    const booted = await bootVm(context, request, signal);
    const sandbox = new Sandbox(context, request, booted);
    // Nobody has asked for anything else in it.
    using _ = onAbort(signal, () => void sandbox.end('its creation was given up'));
    try {
      await sandbox.#add(booted.first, sandbox.pid, signal);
      return sandbox;
    } catch (error) {
      await sandbox.end(`its first container could not be created: ${messageOf(error)}`);
      throw error;
    }
  }

  /** The pid that containerd sees: a live process of the host, in the sandbox's namespaces. */
  get pid(): number {
    return this.#booted.vm.pid;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  get agent(): GuestAgent {
    return this.#booted.agent;
  }

  get containers(): readonly Container[] {
    return [...this.#containers.values()];
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  /** Adds a container to the VM. @throws with nothing of it left on the host or in the guest; also when `signal` aborts. */
  async create(request: CreateContainer, signal: AbortSignal): Promise<void> {
    if (this.#gone !== undefined) throw this.#goneError();
    const { devices } = this.#booted.vm;
    // A number of its own, because others may ask for its namespaces by it (the kubelet's TARGET).
    const thread = devices.addThread(request.id);
    thread.catch(() => undefined);
    this.#oomScore.add(request.id, request.spec);
    try {
      await this.#addPrepared(await this.#prepare(request), thread, signal);
    } catch (error) {
      this.#oomScore.remove(request.id);
      this.#growth.release(request.id);
      await thread.then(() => devices.removeThread(request.id)).catch(() => undefined);
      throw error;
    }
  }

  async #prepare(request: CreateContainer): Promise<PreparedContainer> {
    const { rootfs, sharedFs } = this.config;
    return prepareContainer(this.#context, this.#booted.share, request, {
      root: rootOf(request, rootfs),
      diskEmptyDir: sharedFs.diskEmptyDir,
      diskSizeMib: rootfs.diskSizeMib,
      vmMemoryMib: this.#booted.memoryMib,
      sandboxRoot: this.#booted.root.guestPath,
      containerOf: (pid) => this.containers.find((one) => one.pid === pid && pid !== this.pid)?.id,
    });
  }

  async #addPrepared(prepared: PreparedContainer, pid: Promise<number>, signal: AbortSignal): Promise<void> {
    const { id } = prepared.request;
    try {
      await this.#add(prepared, await pid, signal);
    } catch (error) {
      if (!this.agent.isClosed) await this.#removeInGuest(id).catch(() => undefined);
      await this.#disks.release(id).catch(() => undefined);
      await prepared.undo();
      throw error;
    }
  }

  async #add(prepared: PreparedContainer, pid: number, signal: AbortSignal): Promise<void> {
    const { request, plan, io, begin } = prepared;
    const { id, bundle, rootfs, paths } = request;
    const { spec, sandboxPidns } = plan;
    await this.#makeRoom(request);
    const devices = await this.#disks.use(id, plan.disks);
    const storages = await this.#disks.storages(id, plan.storages, signal);
    await this.#runHooks('create', request, signal);
    await this.agent
      .createContainer(id, { spec, devices, storages, sandboxPidns })
      .catch((error: unknown) => {
        throw explainCreate(error, plan);
      });
    if (this.#gone !== undefined) throw this.#goneError();
    // Whoever asked is gone, and nobody else knows of a container that could be ended.
    signal.throwIfAborted();
    if (this.agent.isOurs) this.#watched.use(id, plan.watched);
    const container = new Container(
      this.#containerContext(request, pid),
      id,
      bundle,
      rootfs,
      new Process(id, '', paths, io),
    );
    this.#containers.set(id, container);
    container.created();
    this.#context.log('info', 'container created', {
      container: id,
      ms: Math.round(performance.now() - begin),
    });
  }

  /** A container for which the VM is too small runs all the same, as far as it gets. */
  async #makeRoom({ id, spec }: CreateContainer): Promise<void> {
    // A pause container says what its pod may take, which the VM was made for.
    if (this.#isPod && id === this.id) return;
    await this.#growth.set(id, spec.linux?.resources).catch((error: unknown) => {
      this.#context.log('warn', 'the VM is smaller than its containers may use', {
        container: id,
        error: messageOf(error),
      });
    });
  }

  /**
   * Ends a container for containerd, and the VM with the sandbox's own one; when others still run then, as they do
   * after the death of a pod's pause process, with the last of them.
   */
  async delete(container: Container) {
    const exit = await container.delete(async () => {
      const isOwnDeleted = container.id === this.id || this.#isOwnDeleted;
      const isNeeded = this.containers.some((other) => other !== container && !other.init.isOver);
      if (isOwnDeleted && !isNeeded) return this.end('its last container was deleted');
      if (container.id === this.id) this.#ownDeleted();
      await this.#release(container.id);
    });
    this.#containers.delete(container.id);
    return exit;
  }

  /** containerd calls `delete` for the sandbox's id now, which must leave the VM alone. */
  #ownDeleted(): void {
    this.#isOwnDeleted = true;
    if (this.#gone === undefined) this.#booted.state.update({ isOwnDeleted: true });
  }

  #removeInGuest(id: string, limitMs = this.config.timeouts.stopMs): Promise<void> {
    return this.agent.removeContainer(id, limitMs);
  }

  /** What a container has written to its disks is in the guest's memory until it is removed there. */
  async #writeOut(id: string, limitMs?: number): Promise<void> {
    await this.#removeInGuest(id, limitMs).catch((error: unknown) => {
      this.#context.log('warn', 'what the container wrote last may be lost', {
        container: id,
        error: messageOf(error),
      });
    });
  }

  async #release(id: string): Promise<void> {
    this.#watched.release(id);
    this.#growth.release(id);
    this.#oomScore.remove(id);
    this.#oom.release(id);
    if (this.#gone === undefined) {
      const thread = this.#booted.vm.devices.removeThread(id).catch(() => undefined);
      await this.#removeInGuest(id).catch((error: unknown) => {
        this.#context.log('warn', 'the guest could not remove a container', {
          container: id,
          error: messageOf(error),
        });
      });
      await thread;
    }
    if (this.#gone === undefined) {
      await this.#disks.release(id).catch((error: unknown) => {
        this.#context.log('warn', 'a disk stays in the VM', { container: id, error: messageOf(error) });
      });
    }
    await this.#booted.share.removeContainer(id);
  }

  /**
   * Takes the VM and everything of the host down; once, for all callers. Waits for the guest only where a running container
   * has disks, and not long.
   */
  end(reason: string): Promise<void> {
    return this.#end(reason, () => this.#stopWriters());
  }

  /** There is no guest any more, or none that does what it is told. */
  #endLost(reason: string): Promise<void> {
    return this.#end(reason, () => Promise.resolve());
  }

  #end(reason: string, before: () => Promise<void>): Promise<void> {
    this.#ending ??= reason;
    this.#gone ??= this.#teardown(before);
    return this.#gone;
  }

  /** What a process has written to a disk is in the guest's memory until it ends. */
  async #stopWriters(): Promise<void> {
    const writers = this.containers.filter(({ id, init }) => !init.isOver && this.#disks.isUsedBy(id));
    if (writers.length === 0) return;
    await Promise.race([
      Promise.all(writers.map(({ id }) => this.#writeOut(id, STOP_WRITERS_MS))),
      delay(STOP_WRITERS_MS),
    ]);
  }

  async #teardown(before: () => Promise<void>): Promise<void> {
    this.#watched.close();
    this.#oom.close();
    await before();
    await this.#booted.vm.kill();
    // Before the containers' own ends, which then need not undo their mounts one by one. Its error is told below.
    this.#booted.share.close().catch(() => undefined);
    try {
      await Promise.all(this.containers.map((container) => container.vmGone()));
    } finally {
      await this.#giveBack();
    }
  }

  async #giveBack(): Promise<void> {
    try {
      await this.#booted.resources.disposeAsync();
    } catch (error) {
      this.#context.log('error', 'the sandbox left something behind', {
        sandbox: this.id,
        error: messageOf(error),
      });
    }
  }

  /** Managers that connect a container between Create and Start (ctr --cni, Docker, old CRI-O) have done so by now. */
  #settleNetwork(): Promise<void> {
    this.#settled ??= this.#booted.network.settle(this.#booted).catch((error: unknown) => {
      this.#settled = undefined; // the next start tries again
      throw error;
    });
    return this.#settled;
  }

  #outOfMemory(containerId: string, count: number): void {
    const container = this.#containers.get(containerId);
    if (container === undefined) return;
    this.#context.log('warn', 'a process ran out of memory', { container: containerId, count });
    this.#context.emit({ t: 'oom', containerId });
    // CRI-O takes no events: it looks for this file when the container has exited.
    writeFile(join(container.bundle, 'oom'), '').catch(() => undefined);
  }

  /** The VM is all that its containers have of the host's memory. Told before their exits, so that these get the reason. */
  #allOutOfMemory(): void {
    for (const { id, init } of this.containers) if (!init.isOver) this.#outOfMemory(id, 1);
  }

  #vmExited(exit: VmExit): void {
    if (exit.cause === 'host-out-of-memory') this.#allOutOfMemory();
    if (this.#ending === undefined) {
      this.#context.log('warn', 'the VM ended', {
        sandbox: this.id,
        cause: exit.cause,
        reason: exit.reason,
        console: this.#booted.vm.console().slice(-2_000),
      });
    }
    void this.#endLost(exit.reason);
  }

  /** The guest broke its protocol; or the VM has ended, and says more about it in a moment. */
  async #agentLost(): Promise<void> {
    const { breach } = this.agent;
    if (breach === undefined) {
      await Promise.race([this.#booted.vm.exited, sleep(500, undefined, { ref: false })]);
    }
    this.#giveUp(breach ?? 'the connection to the guest agent broke');
  }

  #giveUp(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#context.log('error', 'the VM is given up', {
      sandbox: this.id,
      reason,
      console: this.#booted.vm.console().slice(-2_000),
    });
    void this.#endLost(reason);
  }

  #goneError(): ShimError {
    return new ShimError('unavailable', `the VM of sandbox ${this.id} is gone: ${this.#ending}`);
  }

  /** What a hook leaves running is not for us to end. */
  async #runHooks(
    stage: HookStage,
    { spec, id, bundle }: CreateContainer,
    signal?: AbortSignal,
  ): Promise<void> {
    if (!hasHooks(stage, spec)) return;
    await runHooks(stage, spec, { id, bundle, pid: this.pid }, signal).finally(() =>
      this.#context.cgroup.letGoOfOrphans(),
    );
  }

  #containerContext(request: CreateContainer, pid: number): ContainerContext {
    const { id } = request;
    const hooks = (stage: HookStage) =>
      this.#runHooks(stage, request).catch((error: unknown) => {
        this.#context.log('warn', 'a hook failed', { container: id, error: messageOf(error) });
      });
    return {
      agent: this.agent,
      pid,
      timeouts: this.config.timeouts,
      emit: (event) => this.#context.emit(event),
      beforeUpdate: async (resources) => {
        await this.#growth.set(id, parseResources(resources));
        return () => void this.#growth.shrink();
      },
      beforeStart: () => this.#settleNetwork(),
      afterStart: () => hooks('poststart'),
      // Nothing can run any more in the VM of a plain container: its pid and memory do not wait for the Delete.
      beforeExit: async () => {
        if (this.#isPod || this.#gone !== undefined) return;
        if (this.#booted.root.mode === 'disk' || this.#disks.isUsedBy(id)) await this.#writeOut(id);
        await this.end('its container has exited');
      },
      afterDelete: () => hooks('poststop'),
      giveUp: (reason) => this.#giveUp(reason),
      log: (level, message, fields) => this.#context.log(level, message, fields),
    };
  }
}
