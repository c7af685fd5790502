/**
 * containerd's sandbox service (containerd.runtime.sandbox.v1.Sandbox), for `sandboxer = "shim"`: pods without a pause
 * container. The VM runs a stand-in instead, which the task service knows by the sandbox's id.
 */
import type { Server } from 'ttrpc-ts';
import { ShimError } from '../base/errors.ts';
import { PodSandboxConfig } from '../gen/pod-sandbox.ts';
import type * as api from '../gen/sandbox.ts';
import { SandboxService as description } from '../gen/sandbox.ts';
import type { Namespace } from '../oci/spec.ts';
import type { Exit } from '../sandbox/process-state.ts';
import type { CreateContainer } from '../sandbox/request.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { ShimContext } from './context.ts';
import { makePodFiles, type PodFiles, withPodFiles } from './pod-files.ts';
import { GUEST_PAUSE_ROOT, podSpec } from './pod-spec.ts';
import { openProcessIo } from './process-io.ts';
import { type CallContext, guard, type TaskService } from './task-service.ts';
import { timestamp } from './timestamp.ts';

const EMPTY = {};
/** Exit status of a sandbox that could not be started. */
const NOT_STARTED = 128;
const NO_IO = { stdin: '', stdout: '', stderr: '', terminal: false };

/** What CreateSandbox passed. */
interface Pod {
  readonly id: string;
  readonly bundle: string;
  /** undefined: the host's. */
  readonly network: Namespace | undefined;
  readonly config: PodSandboxConfig;
}

class SandboxService {
  readonly #context: ShimContext;
  readonly #tasks: TaskService;
  readonly #exited = Promise.withResolvers<Exit>();
  #pod: Pod | undefined;
  #sandbox: Sandbox | undefined;
  #startedAt: Date | undefined;
  #exit: Exit | undefined;

  constructor(context: ShimContext, tasks: TaskService) {
    this.#context = context;
    this.#tasks = tasks;
    void this.#exited.promise.then((exit) => {
      this.#exit = exit;
    });
  }

  createSandbox(request: api.CreateSandboxRequest): object {
    const { sandboxId: id, bundlePath: bundle, netnsPath: netns, options } = request;
    if (this.#pod !== undefined)
      throw new ShimError('already-exists', `sandbox ${this.#pod.id} exists already`);
    if (id === '' || bundle === '') {
      throw new ShimError('invalid-argument', 'a sandbox needs an id and a bundle');
    }
    if (request.rootfs.length > 0) {
      throw new ShimError(
        'invalid-argument',
        `sandbox ${id} has a root file system, which bulkhead does not support`,
      );
    }
    this.#tasks.leaveEndToSandboxService();
    const isPod = options?.typeUrl.endsWith('runtime.v1.PodSandboxConfig') === true;
    const config = isPod ? PodSandboxConfig.decode(options.value) : PodSandboxConfig.create();
    // For CRI an empty path means the host's network; for other clients it means a new namespace.
    const network = { type: 'network', ...(netns === '' ? {} : { path: netns }) };
    this.#pod = { id, bundle, network: isPod && netns === '' ? undefined : network, config };
    return EMPTY;
  }

  async startSandbox(request: api.StartSandboxRequest, call: CallContext): Promise<api.StartSandboxResponse> {
    const pod = this.#known(request.sandboxId);
    if (this.#sandbox !== undefined)
      throw new ShimError('already-exists', `sandbox ${pod.id} was started already`);
    if (this.#exit !== undefined)
      throw new ShimError('failed-precondition', `sandbox ${pod.id} has ended: it cannot be started again`);
    try {
      const sandbox = await this.#startStandIn(pod, call.signal);
      this.#sandbox = sandbox;
      this.#startedAt = new Date();
      return { pid: sandbox.pid, createdAt: timestamp(this.#startedAt), spec: undefined };
    } catch (error) {
      // A WaitSandbox may be pending.
      this.#exited.resolve({ status: NOT_STARTED, at: new Date() });
      throw error;
    }
  }

  async #startStandIn(pod: Pod, signal: AbortSignal): Promise<Sandbox> {
    const files = makePodFiles(pod.bundle, pod.config.hostname, pod.config.dnsConfig);
    const sandbox = await this.#tasks.bootPod(this.#standIn(pod, files), files, signal);
    try {
      const container = sandbox.find(pod.id)!;
      await container.start('');
      if (this.#exit !== undefined)
        throw new ShimError('canceled', `sandbox ${pod.id} was stopped while it started`);
      void container.init.exited.then(this.#exited.resolve);
      return sandbox;
    } catch (error) {
      await sandbox.end('its stand-in for a pause container did not start');
      throw error;
    }
  }

  #standIn({ id, bundle, network, config }: Pod, files: PodFiles): CreateContainer {
    return {
      id,
      bundle,
      spec: withPodFiles(podSpec(id, config, network), files),
      rootfs: [],
      guestRoot: GUEST_PAUSE_ROOT,
      podShm: true,
      paths: NO_IO,
      openIo: () => openProcessIo(this.#context, id, NO_IO),
    };
  }

  platform(request: api.PlatformRequest): Partial<api.PlatformResponse> {
    this.#known(request.sandboxId);
    const platform = { os: 'linux', architecture: 'amd64', variant: '', osVersion: '', osFeatures: [] };
    return { platform };
  }

  /** Ends the VM, and so every container. May be called before the start, during the boot, and repeatedly. */
  async stopSandbox(request: api.StopSandboxRequest): Promise<object> {
    this.#known(request.sandboxId);
    if (this.#sandbox === undefined) this.#exited.resolve({ status: 0, at: new Date() });
    await this.#tasks.end('containerd stopped the sandbox');
    return EMPTY;
  }

  async waitSandbox(request: api.WaitSandboxRequest): Promise<api.WaitSandboxResponse> {
    this.#known(request.sandboxId);
    const { status, at } = await this.#exited.promise;
    return { exitStatus: status, exitedAt: timestamp(at) };
  }

  sandboxStatus(request: api.SandboxStatusRequest): Partial<api.SandboxStatusResponse> {
    const { id } = this.#known(request.sandboxId);
    const isReady = this.#sandbox !== undefined && this.#exit === undefined;
    return {
      sandboxId: id,
      pid: this.#sandbox?.pid ?? 0,
      state: isReady ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
      info: new Map(),
      ...(this.#startedAt === undefined ? {} : { createdAt: timestamp(this.#startedAt) }),
      ...(this.#exit === undefined ? {} : { exitedAt: timestamp(this.#exit.at) }),
    };
  }

  pingSandbox(request: api.PingRequest): object {
    this.#known(request.sandboxId);
    return EMPTY;
  }

  /** The last call: ends the VM, then the shim. */
  async shutdownSandbox(): Promise<object> {
    await this.#tasks.end('containerd removed the sandbox');
    this.#context.exit();
    return EMPTY;
  }

  sandboxMetrics(): never {
    throw new ShimError('unimplemented', "a sandbox's metrics are those of the pod's cgroup on the host");
  }

  #known(id: string): Pod {
    if (this.#pod?.id === id) return this.#pod;
    throw new ShimError('not-found', `sandbox ${id}: not found`);
  }
}

/** @param onCall called on each RPC. */
export function addSandboxService(
  server: Server,
  context: ShimContext,
  tasks: TaskService,
  onCall: () => void,
): void {
  const service = new SandboxService(context, tasks);
  const guarded = guard(service, onCall);
  server.add(description, {
    createSandbox: guarded(service.createSandbox),
    startSandbox: guarded(service.startSandbox),
    platform: guarded(service.platform),
    stopSandbox: guarded(service.stopSandbox),
    waitSandbox: guarded(service.waitSandbox),
    sandboxStatus: guarded(service.sandboxStatus),
    pingSandbox: guarded(service.pingSandbox),
    shutdownSandbox: guarded(service.shutdownSandbox),
    sandboxMetrics: guarded(service.sandboxMetrics),
  });
}
