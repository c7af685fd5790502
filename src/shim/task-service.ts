/**
 * containerd's task service (containerd.task.v2.Task and v3, which have the same messages): one short method per call,
 * which checks the request, finds the container and calls the sandbox. `guard` turns errors into a status.
 */

import { messageOf, ShimError } from '../base/errors.ts';
import type { Any } from '../gen/google.ts';
import type * as task from '../gen/task.ts';
import { Status } from '../gen/task.ts';
import type { Container } from '../sandbox/container.ts';
import type { Process, StdioPaths } from '../sandbox/process.ts';
import type { CreateContainer } from '../sandbox/request.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { statsAny } from '../sandbox/stats.ts';
import type { TaskEvent } from '../sandbox/task-event.ts';
import type { ShimContext } from './context.ts';
import { bootSandbox, createSandboxOrContainer } from './create.ts';
import { toStatus } from './errors.ts';
import type { PodFiles } from './pod-files.ts';
import { openProcessIo } from './process-io.ts';
import { timestamp } from './timestamp.ts';

/** What a call has besides its request. */
export interface CallContext {
  readonly signal: AbortSignal;
}

const EMPTY = {};

export class TaskService {
  readonly #context: ShimContext;
  #sandbox: Sandbox | undefined;
  #podFiles: PodFiles | undefined;
  /** The sandbox service ends this shim, not Shutdown. */
  #isOfSandboxApi = false;
  /** Containers that are being created, by id: a second Create of the same id is refused at once. */
  readonly #creating = new Map<string, Promise<unknown>>();
  /** containerd has called Shutdown. */
  #isToEnd = false;
  /** Aborts what is being created when the shim ends. */
  readonly #stop = new AbortController();

  constructor(context: ShimContext) {
    this.#context = context;
  }

  /** No task exists and none is being created. */
  get isIdle(): boolean {
    return this.#creating.size === 0 && (this.#sandbox?.containers.length ?? 0) === 0;
  }

  /** Takes the VM down, even one that is booting, at the end of the shim or of its sandbox. Nothing can be created afterwards. */
  async end(reason: string): Promise<void> {
    this.#stop.abort(new ShimError('canceled', `the sandbox is ending: ${reason}`));
    const ended = this.#sandbox?.end(reason);
    // A boot that is aborted undoes itself.
    await Promise.allSettled(this.#creating.values());
    await (ended ?? this.#sandbox?.end(reason));
  }

  /** For the sandbox service: from now on Shutdown does not end the shim. */
  leaveEndToSandboxService(): void {
    this.#isOfSandboxApi = true;
  }

  /** For the sandbox service: boots the VM of a pod with the stand-in for its pause container. */
  async bootPod(first: CreateContainer, files: PodFiles, signal: AbortSignal): Promise<Sandbox> {
    if (!this.isIdle) throw new ShimError('already-exists', `sandbox ${first.id} runs already`);
    this.#podFiles = files;
    const { emit } = this.#context;
    // containerd knows no task for the stand-in.
    const context = {
      ...this.#context,
      emit: (event: TaskEvent) => event.containerId !== first.id && emit(event),
    };
    return this.#create(first.id, signal, (either) => bootSandbox(context, first, { pod: true }, either));
  }

  /** @param make rejects, with nothing left, when its signal aborts. */
  async #create(
    id: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<Sandbox>,
  ): Promise<Sandbox> {
    this.#stop.signal.throwIfAborted();
    const making = make(AbortSignal.any([signal, this.#stop.signal])).then((sandbox) => {
      this.#sandbox = sandbox;
      this.#isToEnd = false;
      return sandbox;
    });
    this.#creating.set(id, making);
    try {
      return await making;
    } catch (error) {
      // If the shim is ending, that is the better reason.
      this.#stop.signal.throwIfAborted();
      throw error;
    } finally {
      this.#creating.delete(id);
      this.#endIfIdle();
    }
  }

  async create(request: task.CreateTaskRequest, call: CallContext): Promise<task.CreateTaskResponse> {
    if (this.#creating.has(request.id) || this.#sandbox?.find(request.id) !== undefined) {
      throw new ShimError('already-exists', `container ${request.id} exists already in this sandbox`);
    }
    if (request.checkpoint !== '') {
      throw new ShimError('unimplemented', 'a container in a VM cannot be restored from a checkpoint');
    }
    try {
      await this.#create(request.id, call.signal, (signal) =>
        createSandboxOrContainer(this.#context, this.#sandbox, request, signal, this.#podFiles),
      );
      return { pid: this.#pid(request.id) };
    } catch (error) {
      this.#context.log('error', 'a container could not be created', {
        container: request.id,
        error: messageOf(error),
      });
      throw error;
    }
  }

  async start(request: task.StartRequest): Promise<task.StartResponse> {
    await this.#container(request.id).start(request.execId);
    return { pid: this.#pid(request.id) };
  }

  async delete(request: task.DeleteRequest): Promise<task.DeleteResponse> {
    const container = this.#container(request.id);
    const { pid } = container;
    const exit =
      request.execId === ''
        ? await this.#sandbox!.delete(container)
        : await container.deleteExec(request.execId);
    return { pid, exitStatus: exit.status, exitedAt: timestamp(exit.at) };
  }

  state(request: task.StateRequest): task.StateResponse {
    const container = this.#container(request.id);
    const process = container.process(request.execId);
    return {
      id: request.id,
      execId: request.execId,
      bundle: container.bundle,
      pid: container.pid,
      status: statusOf(container, process),
      ...process.paths,
      exitStatus: process.exit?.status ?? 0,
      exitedAt: process.exit === undefined ? undefined : timestamp(process.exit.at),
    };
  }

  /** Never empty while the container lives: containerd 1.7 and later take a shim with an empty list for leaked. */
  pids(request: task.PidsRequest): task.PidsResponse {
    const container = this.#container(request.id);
    return { processes: container.init.isOver ? [] : [{ pid: container.pid, info: undefined }] };
  }

  async pause(request: task.PauseRequest): Promise<object> {
    await this.#container(request.id).pause();
    return EMPTY;
  }

  async resume(request: task.ResumeRequest): Promise<object> {
    await this.#container(request.id).resume();
    return EMPTY;
  }

  checkpoint(): never {
    throw new ShimError('unimplemented', 'a container in a VM cannot be checkpointed');
  }

  async kill(request: task.KillRequest): Promise<object> {
    if (request.signal > 64)
      throw new ShimError('invalid-argument', `signal ${request.signal} does not exist (0 to 64)`);
    await this.#container(request.id).kill(request.execId, request.signal, request.all);
    return EMPTY;
  }

  async exec(request: task.ExecProcessRequest): Promise<object> {
    const container = this.#container(request.id);
    const spec = jsonOf(request.spec, 'the exec request carries no process spec');
    const paths = stdioPaths(request);
    await container.exec(request.execId, spec, paths, () => openProcessIo(this.#context, request.id, paths));
    return EMPTY;
  }

  async resizePty(request: task.ResizePtyRequest): Promise<object> {
    const { width, height } = request;
    await this.#container(request.id).resize(request.execId, { width, height });
    return EMPTY;
  }

  closeIO(request: task.CloseIORequest): object {
    if (request.stdin) this.#container(request.id).closeStdin(request.execId);
    return EMPTY;
  }

  async update(request: task.UpdateTaskRequest): Promise<object> {
    const resources = jsonOf(request.resources, 'the update request carries no resources');
    await this.#container(request.id).update(resources);
    return EMPTY;
  }

  async wait(request: task.WaitRequest): Promise<task.WaitResponse> {
    const exit = await this.#container(request.id).process(request.execId).exited;
    return { exitStatus: exit.status, exitedAt: timestamp(exit.at) };
  }

  async stats(request: task.StatsRequest): Promise<task.StatsResponse> {
    const container = this.#container(request.id);
    if (container.init.isOver) {
      throw new ShimError(
        'not-found',
        `container ${request.id} has no statistics, it is ${container.init.state.t}: not found`,
      );
    }
    return { stats: await statsAny(this.#sandbox!.agent, request.id) };
  }

  /** Answers for any id: containerd asks before Create, and for sandboxes that have no task. */
  connect(request: task.ConnectRequest): task.ConnectResponse {
    return { shimPid: process.pid, taskPid: this.#pid(request.id), version: '' };
  }

  /**
   * Ends the shim, unless it still has a task; if one is being created, that is decided when the creation is over.
   * containerd 2.3 calls this after each task that it has deleted.
   */
  shutdown(): object {
    this.#isToEnd = true;
    this.#endIfIdle();
    return EMPTY;
  }

  #endIfIdle(): void {
    if (this.#isToEnd && this.isIdle && !this.#isOfSandboxApi) this.#context.exit();
  }

  #container(id: string): Container {
    const container = this.#sandbox?.find(id);
    if (container === undefined) throw new ShimError('not-found', `container ${id}: not found`);
    return container;
  }

  /** The container's pid; for an unknown container the sandbox's pid, or 0 without a sandbox. */
  #pid(id: string): number {
    return this.#sandbox?.find(id)?.pid ?? this.#sandbox?.pid ?? 0;
  }
}

type Method<Service, Req, Res> = (this: Service, request: Req, call: CallContext) => Res | Promise<Res>;

/** Makes a service's method a ttrpc handler that calls `onCall` first and turns every error into a status. */
export function guard<Service>(service: Service, onCall: () => void) {
  return <Req, Res>(method: Method<Service, Req, Res>) => {
    return async (request: Req, call: CallContext): Promise<Res> => {
      onCall();
      try {
        return await method.call(service, request, call);
      } catch (error) {
        throw toStatus(error);
      }
    };
  };
}

/**
 * The service's methods as ttrpc handlers, with every error turned into a status.
 * @param onCall called on each RPC.
 */
export function taskHandlers(service: TaskService, onCall: () => void) {
  const guarded = guard(service, onCall);
  return {
    create: guarded(service.create),
    start: guarded(service.start),
    delete: guarded(service.delete),
    state: guarded(service.state),
    pids: guarded(service.pids),
    pause: guarded(service.pause),
    resume: guarded(service.resume),
    checkpoint: guarded(service.checkpoint),
    kill: guarded(service.kill),
    exec: guarded(service.exec),
    resizePty: guarded(service.resizePty),
    closeIO: guarded(service.closeIO),
    update: guarded(service.update),
    wait: guarded(service.wait),
    stats: guarded(service.stats),
    connect: guarded(service.connect),
    shutdown: guarded(service.shutdown),
  };
}

function statusOf(container: Container, process: Process): Status {
  switch (process.state.t) {
    case 'created':
    case 'starting':
    case 'failed':
      return Status.CREATED;
    case 'running':
      return container.isPaused ? Status.PAUSED : Status.RUNNING;
    case 'exited':
    case 'deleted':
      return Status.STOPPED;
  }
}

/** The stdio part of a Create or Exec request. */
export function stdioPaths(request: StdioPaths): StdioPaths {
  const { stdin, stdout, stderr, terminal } = request;
  return { stdin, stdout, stderr, terminal };
}

/** containerd sends registered Go structs as JSON inside an Any. */
function jsonOf(any: Any | undefined, missing: string): Uint8Array {
  if (any === undefined || any.value.length === 0) throw new ShimError('invalid-argument', missing);
  return any.value;
}
