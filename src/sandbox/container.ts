/**
 * A container in a sandbox's VM: its init, its execs and what containerd may ask of them. Commands that change it run
 * one after the other; reading its state, waiting and killing answer beside them, from memory.
 */

import type { GuestAgent } from '../agent/agent.ts';
import { isNotFound } from '../agent/agent-error.ts';
import { delay } from '../base/delay.ts';
import { messageOf, ShimError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import type { Config } from '../config/config.ts';
import { Process, type ProcessIo, type StdioPaths, type TerminalSize } from './process.ts';
import type { Exit } from './process-state.ts';
import type { RootfsMount, TaskEvent } from './task-event.ts';

/** What a container needs of its sandbox. */
export interface ContainerContext {
  readonly agent: GuestAgent;
  /** The pid that containerd sees: the VMM's, or the number of one of its threads, which no other task has. */
  readonly pid: number;
  readonly timeouts: Config['timeouts'];
  emit(event: TaskEvent): void;
  /** Makes room for these resources (OCI, as JSON). @returns what is to be done when they hold. @throws when there is no room. */
  beforeUpdate(resources: Uint8Array): Promise<() => void>;
  /** Waited for before an init starts. */
  beforeStart(): Promise<void>;
  /** Never reject: what they do cannot be undone, nor the start or delete be taken back. */
  afterStart(): Promise<void>;
  /** The init has ended and all output is out; what it returns is over before the exit is reported. Never rejects. */
  beforeExit(): Promise<void>;
  afterDelete(): Promise<void>;
  /** The guest did not do what it must be able to do; the VM is ended. */
  giveUp(reason: string): void;
  log(level: 'info' | 'warn', message: string, fields: Record<string, unknown>): void;
}

/** Exit status of a process whose end we had to declare: its VM died or it was killed with its container. */
const KILLED = 137;
/** Exit status of a process that could not be started. */
const NOT_STARTED = 128;
/** How long Kill waits for the guest's answer before it returns all the same: its caller would never come to SIGKILL. */
const KILL_ANSWER_MS = 1_000;
/** How long the exits of execs may lag behind the exit of their container's init. */
const EXEC_EXIT_MS = 2_000;
const SIGKILL = 9;

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: readonly RootfsMount[];
  readonly init: Process;
  readonly #execs = new Map<string, { readonly process: Process; readonly spec: Uint8Array }>();
  readonly #context: ContainerContext;
  readonly #queue = new SerialQueue();
  #paused = false;
  /** Output is still in the guest because its reader is stuck. */
  #hasUnread = false;

  constructor(
    context: ContainerContext,
    id: string,
    bundle: string,
    rootfs: readonly RootfsMount[],
    init: Process,
  ) {
    this.#context = context;
    this.id = id;
    this.bundle = bundle;
    this.rootfs = rootfs;
    this.init = init;
  }

  get pid(): number {
    return this.#context.pid;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** The init or an exec. @throws ShimError `not-found`. */
  process(execId: string): Process {
    if (execId === '') return this.init;
    const exec = this.#execs.get(execId);
    if (exec === undefined)
      throw new ShimError('not-found', `exec ${execId} of container ${this.id}: not found`);
    return exec.process;
  }

  /** The guest has made the container: follow its init from now on, because it can be killed before it is started. */
  created(): void {
    this.#context.emit({
      t: 'create',
      containerId: this.id,
      bundle: this.bundle,
      rootfs: this.rootfs,
      io: this.init.paths,
      pid: this.#context.pid,
    });
    this.#follow(this.init);
  }

  start(execId: string): Promise<void> {
    return this.#queue.run(() => (execId === '' ? this.#startInit() : this.#startExec(execId)));
  }

  async #startInit(): Promise<void> {
    const { agent, emit, pid } = this.#bound();
    this.init.apply({ t: 'start' });
    try {
      await this.#context.beforeStart();
      this.init.io.start(agent.streams(this.id, ''));
      await agent.startContainer(this.id);
      this.#started(this.init);
      emit({ t: 'start', containerId: this.id, pid });
    } catch (error) {
      this.#startFailed(this.init);
      throw error;
    } finally {
      this.init.reportStart();
    }
    await this.#applySize(this.init);
    await this.#context.afterStart();
  }

  async #startExec(execId: string): Promise<void> {
    const { agent, emit, pid } = this.#bound();
    const exec = this.#execs.get(execId);
    if (exec === undefined)
      throw new ShimError('not-found', `exec ${execId} of container ${this.id}: not found`);
    if (this.init.state.t !== 'running') {
      throw new ShimError(
        'failed-precondition',
        `cannot start ${exec.process.name}: the container is ${this.init.state.t}`,
      );
    }
    exec.process.apply({ t: 'start' });
    try {
      await agent.execProcess(this.id, execId, exec.spec, exec.process.paths.terminal);
      exec.process.io.start(agent.streams(this.id, execId));
      this.#follow(exec.process);
      this.#started(exec.process);
      emit({ t: 'exec started', containerId: this.id, execId, pid });
    } catch (error) {
      this.#startFailed(exec.process);
      // It may run all the same: the answer can have come too late, or not at all.
      agent.signalProcess(this.id, execId, SIGKILL).catch(() => undefined);
      await exec.process.io.close();
      throw error;
    } finally {
      exec.process.reportStart();
    }
    await this.#applySize(exec.process);
  }

  /** The VM may have died while the guest was starting it; its exit then stands. */
  #started(process: Process): void {
    if (!process.isOver) process.apply({ t: 'started' });
  }

  #startFailed(process: Process): void {
    if (!process.isOver) process.apply({ t: 'start failed', exit: { status: NOT_STARTED, at: new Date() } });
  }

  /** Registers an exec; the guest learns of it at its start. */
  async exec(
    execId: string,
    spec: Uint8Array,
    paths: StdioPaths,
    openIo: () => Promise<ProcessIo>,
  ): Promise<void> {
    await this.#queue.run(async () => {
      if (execId === '' || execId === this.id || this.#execs.has(execId)) {
        throw new ShimError(
          'already-exists',
          `exec id ${JSON.stringify(execId)} is in use in container ${this.id}`,
        );
      }
      if (this.init.isOver) {
        throw new ShimError(
          'failed-precondition',
          `cannot exec in container ${this.id}: it is ${this.init.state.t}`,
        );
      }
      const process = new Process(this.id, execId, paths, await openIo());
      this.#execs.set(execId, { process, spec });
      this.#context.emit({ t: 'exec added', containerId: this.id, execId });
    });
  }

  /**
   * Sends a signal. Never waits long for the guest; a SIGKILL that the guest does not carry out ends the VM. What
   * the guest answers after a second, an error too, is heard by nobody.
   * @param all to every process of the container (containerd: only with the init).
   */
  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    const process = this.process(execId);
    // What runc's shim answers; callers take it for done.
    if (process.isOver) throw new ShimError('not-found', `${process.name} has already finished: not found`);
    if (execId !== '' && process.state.t === 'created') {
      throw new ShimError('failed-precondition', `cannot kill ${process.name}: it has not been started`);
    }
    if (process.state.t === 'starting' && execId !== '') await this.#awaitStart(process);
    const sent = this.#context.agent.signalProcess(this.id, all ? '' : execId || this.id, signal);
    if (signal === SIGKILL) this.#expectEnd(process);
    await Promise.race([sent.catch((error) => this.#ignoreFinished(process, error)), delay(KILL_ANSWER_MS)]);
  }

  /** The guest knows nothing of an exec until it has started it, and would refuse the signal. */
  async #awaitStart(exec: Process): Promise<void> {
    await Promise.race([exec.startReported(), delay(KILL_ANSWER_MS)]);
    if (exec.state.t === 'starting')
      throw new ShimError('failed-precondition', `cannot kill ${exec.name} yet: it is being started`);
    if (exec.isOver) throw new ShimError('not-found', `${exec.name} has already finished: not found`);
  }

  /** A signal that crosses with the process's exit is not an error, nor is one to a VM that is just going. */
  async #ignoreFinished(process: Process, error: unknown): Promise<void> {
    if (process.isOver || isNotFound(error) || this.#context.agent.isClosed) return;
    throw error;
  }

  /** Its end in the guest, that is: its exit may be reported later, when a slow reader has its output. */
  #expectEnd(process: Process): void {
    const { stopMs } = this.#context.timeouts;
    const timer = setTimeout(() => {
      this.#context.giveUp(`${process.name} did not end within ${stopMs} ms after SIGKILL`);
    }, stopMs);
    void process.hasEnded.then(() => clearTimeout(timer));
  }

  async resize(execId: string, size: TerminalSize): Promise<void> {
    const process = this.process(execId);
    if (!process.paths.terminal || process.isOver) return;
    process.pendingSize = size;
    if (process.state.t === 'running') await this.#applySize(process);
  }

  async #applySize(process: Process): Promise<void> {
    const size = process.pendingSize;
    process.pendingSize = undefined;
    if (size === undefined || size.width === 0 || size.height === 0 || process.isOver) return;
    await this.#context.agent.resizeTerminal(this.id, process.execId, size.height, size.width);
  }

  closeStdin(execId: string): void {
    this.process(execId).io.closeStdin();
  }

  pause(): Promise<void> {
    return this.#queue.run(async () => {
      this.#requireRunning('pause');
      await this.#context.agent.pauseContainer(this.id);
      this.#paused = true;
      this.#context.emit({ t: 'paused', containerId: this.id });
    });
  }

  resume(): Promise<void> {
    return this.#queue.run(async () => {
      this.#requireRunning('resume');
      await this.#context.agent.resumeContainer(this.id);
      this.#paused = false;
      this.#context.emit({ t: 'resumed', containerId: this.id });
    });
  }

  update(resources: Uint8Array): Promise<void> {
    return this.#queue.run(async () => {
      if (this.init.isOver) {
        throw new ShimError(
          'failed-precondition',
          `cannot update container ${this.id}: it is ${this.init.state.t}`,
        );
      }
      const finish = await this.#context.beforeUpdate(resources);
      const leftOut = await this.#context.agent.updateContainer(this.id, resources);
      finish();
      if (leftOut.length > 0)
        this.#context.log('info', 'left out of the update', {
          container: this.id,
          notes: leftOut.join('; '),
        });
    });
  }

  #requireRunning(what: string): void {
    if (this.init.state.t !== 'running') {
      throw new ShimError(
        'failed-precondition',
        `cannot ${what} container ${this.id}: it is ${this.init.state.t}`,
      );
    }
  }

  /** Forgets a finished exec. */
  deleteExec(execId: string): Promise<Exit> {
    return this.#queue.run(async () => {
      const process = this.process(execId);
      process.requireDeletable();
      await process.io.close();
      process.apply({ t: 'delete' });
      this.#execs.delete(execId);
      return process.exit!;
    });
  }

  /**
   * Ends the container for containerd: only one that has stopped, or was never started. When that fails it can be tried
   * again.
   * @param release takes the container out of the guest and off the host.
   */
  delete(release: () => Promise<void>): Promise<Exit> {
    return this.#queue.run(async () => {
      this.init.requireDeletable();
      if (this.init.state.t === 'created') await this.#endCreated();
      const execs = [...this.#execs.values()].map(({ process }) => process);
      await Promise.all([...execs, this.init].map((process) => process.io.close()));
      await release();
      // Those that were never started, too: somebody may wait for them.
      for (const process of [...execs, this.init])
        if (process.state.t !== 'deleted') process.apply({ t: 'delete' });
      await this.#context.afterDelete();
      const exit = this.init.exit!;
      this.#context.emit({ t: 'delete', containerId: this.id, pid: this.#context.pid, exit });
      return exit;
    });
  }

  /** A created init holds a process in the guest; it goes without a trace of an exit that nobody started. */
  async #endCreated(): Promise<void> {
    await this.kill('', SIGKILL, true);
    await Promise.race([this.init.exited, delay(this.#context.timeouts.stopMs)]);
  }

  /** The VM is gone, and with it every process. */
  async vmGone(): Promise<void> {
    const execs = [...this.#execs.values()].map(({ process }) => this.#ended(process, KILLED));
    await Promise.all(execs);
    await this.#ended(this.init, KILLED);
    // Its start failed because the VM died, which was seen only now: there is nothing left that could be started.
    if (this.init.state.t === 'failed') {
      this.init.apply({ t: 'exit', exit: { status: KILLED, at: new Date() } });
    }
  }

  #follow(process: Process): void {
    this.#context.agent.waitProcess(this.id, process.execId).then(
      (status) => (process.execId === '' ? this.#initEnded(status) : this.#ended(process, status)),
      (error) => {
        // When the connection broke the VM is ended and reports every exit; anything else is the guest's fault.
        if (this.#context.agent.isClosed || process.isOver) return;
        this.#context.log('warn', `waiting for ${process.name} failed`, { error: messageOf(error) });
        return this.#ended(process, 255);
      },
    );
  }

  /** Exec exits are published before the init's: their processes died with its pid namespace. */
  async #initEnded(status: number): Promise<void> {
    const running = [...this.#execs.values()]
      .map(({ process }) => process)
      .filter(({ state }) => state.t === 'running' || state.t === 'starting');
    if (running.length > 0) {
      await Promise.race([Promise.all(running.map((process) => process.exited)), delay(EXEC_EXIT_MS)]);
      await Promise.all(running.map((process) => this.#ended(process, KILLED)));
    }
    await this.#ended(this.init, status);
  }

  /** Reports an exit, after the process's start and, unless its reader is stuck, after all of its output. */
  async #ended(process: Process, status: number): Promise<void> {
    if (process.isOver) return;
    const exit = process.ended(status);
    const wasStarted = process.state.t !== 'created';
    const limitMs = this.#context.timeouts.drainMs;
    const drained = await process.io.drain({ quietMs: 500, stalledMs: 1_000, limitMs });
    await process.startReported();
    if (process.isOver) return;
    if (drained === 'drained') await process.io.close();
    else this.#hasUnread = true;
    if (process === this.init && !this.#hasUnread) await this.#context.beforeExit();
    if (process.isOver) return;
    process.apply({ t: 'exit', exit });
    if (!wasStarted && process.execId !== '') return;
    this.#context.emit({
      t: 'exit',
      containerId: this.id,
      id: process.execId === '' ? this.id : process.execId,
      pid: this.#context.pid,
      exit: process.exit!,
    });
  }

  #bound() {
    const { agent, pid } = this.#context;
    return { agent, pid, emit: (event: TaskEvent) => this.#context.emit(event) };
  }
}
