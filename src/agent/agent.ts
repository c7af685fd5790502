// The guest agent as the rest of the shim sees it: typed calls with time limits, over one ttrpc connection.
import {
  type CallOptions,
  type Client,
  Code,
  Connection,
  createClient,
  type Input,
  type Output,
  type ServiceSpec,
} from 'ttrpc-ts';
import { delay } from '../base/delay.ts';
import type { StatsContainerResponse } from '../gen/agent.ts';
import {
  AgentService,
  type Device,
  HealthCheckResponseServingStatus,
  HealthService,
  type Storage,
} from '../gen/agent.ts';
import { GuestService } from '../gen/guest.ts';
import type { Init } from '../gen/wire.ts';
import { PacedReading } from '../host/paced-reading.ts';
import { stringifyJson } from '../oci/json.ts';
import { parseProcess, parseResources, type RunnableSpec } from '../oci/spec.ts';
import { toGuestProcess, toGuestResources } from '../oci/to-agent.ts';
import { toProtoProcess, toProtoResources, toProtoSpec, withoutProtoForm } from '../oci/to-proto.ts';
import { AgentError, agentError, cleanText } from './agent-error.ts';
import { type AgentHost, breachOf, consoleTail, endOf } from './agent-host.ts';
import { bulkWaits, channelPace, connectionLimits, withBoundedAnswers } from './agent-limits.ts';
import { checkRead, checkWritten, type GuestStreams } from './streams.ts';

export type { AgentHost };

export interface ConnectOptions {
  /** How long the guest may take to boot and its agent to answer. */
  readonly timeoutMs: number;
  /** Limit of each later call, unless it waits for a process. */
  readonly requestMs: number;
  readonly signal?: AbortSignal;
}

export interface SandboxRequest {
  readonly sandboxId: string;
  readonly hostname: string;
  /** Lines of the guest's own /etc/resolv.conf. */
  readonly dns: readonly string[];
  /** Mounts of the sandbox besides the shared folder, which is always included. */
  readonly storages?: readonly Init<Storage>[];
  readonly sandboxPidns?: boolean;
}

export interface ContainerRequest {
  /** Devices of the spec whose numbers differ in the guest; the agent waits for them to appear. */
  readonly devices?: readonly Init<Device>[];
  /** The spec for the guest (src/oci/to-agent.ts). */
  readonly spec: RunnableSpec;
  readonly storages?: readonly Init<Storage>[];
  readonly sandboxPidns?: boolean;
}

/** containerd queries the node's containers one by one: a guest that does not answer must not hold up the others. */
const STATS_MS = 5_000;

type Methods = typeof AgentService.methods;
type Request<M extends keyof Methods> = Input<Methods[M]['request']>;
type Response<M extends keyof Methods> = Output<Methods[M]['response']>;

/** The virtio-fs share with root file systems and binds; tag and path are fixed by Kata's agent protocol. */
const shareStorage: Init<Storage> = {
  driver: 'virtio-fs',
  source: 'kataShared',
  fstype: 'virtiofs',
  mountPoint: '/run/kata-containers/shared/containers/',
};

const maxHostnameLength = 64;
const oomPauseMs = 50;
const oomRetryMs = 1_000;

/**
 * Waits until the agent of a booting guest answers.
 * @throws AgentError `DeadlineExceeded` with the console's last lines, `Unavailable` when the VM ended, `Canceled`.
 */
export async function connectAgent(host: AgentHost, options: ConnectOptions): Promise<GuestAgent> {
  const connection: Connection = new Connection(host.agent, {
    limits: connectionLimits,
    interceptors: [bulkWaits(() => connection)],
  });
  new PacedReading(host.agent, channelPace);
  const health = createClient(withBoundedAnswers(HealthService), connection);
  const limits: CallOptions = {
    timeoutMs: options.timeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  try {
    // Both are sent at once, and are waiting when the guest opens its port.
    const checked = health.check({}, limits);
    const version = health.version({}, limits).then(
      (answer) => answer.agentVersion,
      () => '',
    );
    const { status } = await checked;
    if (status !== HealthCheckResponseServingStatus.SERVING) {
      throw new AgentError(Code.Unavailable, `the guest agent answers but does not serve (status ${status})`);
    }
    return new GuestAgent(host, connection, cleanText(await version, 100), options.requestMs);
  } catch (error) {
    const failure = await bootError(host, connection, options, error);
    connection.close();
    throw failure;
  }
}

async function bootError(
  host: AgentHost,
  connection: Connection,
  options: ConnectOptions,
  thrown: unknown,
): Promise<AgentError> {
  if (thrown instanceof AgentError) return thrown;
  if (connection.closeError !== undefined) {
    const text = await endOf(host, connection);
    return new AgentError(Code.Unavailable, `the guest agent never answered: ${text}`, thrown);
  }
  const error = agentError('waiting for the guest to boot', thrown, options.timeoutMs);
  if (error.code !== Code.DeadlineExceeded) return error;
  return new AgentError(
    error.code,
    `the guest did not report ready within ${options.timeoutMs} ms; ${consoleTail(host)}`,
    thrown,
  );
}

/** The agent of a guest that has booted. Every call fails with an AgentError when the VM dies. */
export class GuestAgent {
  /** `bulkhead-agent/<version>` for our own agent, anything for others. */
  readonly version: string;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #host: AgentHost;
  readonly #connection: Connection;
  readonly #client: Client<typeof AgentService>;
  readonly #requestMs: number;
  /** Why the connection closed; determined once, by the first call that needs it. */
  #end: Promise<string> | undefined;

  constructor(host: AgentHost, connection: Connection, version: string, requestMs: number) {
    this.version = version;
    this.#host = host;
    this.closed = connection.closed;
    this.#connection = connection;
    this.#client = createClient(withBoundedAnswers(AgentService), connection);
    this.#requestMs = requestMs;
  }

  /** Our own agent takes OCI specs as JSON, losslessly; others need the protobuf form. */
  get isOurs(): boolean {
    return this.version.startsWith('bulkhead-agent/');
  }

  get isClosed(): boolean {
    return this.#connection.closeError !== undefined;
  }

  /** How the guest broke its protocol, if that closed the connection. */
  get breach(): string | undefined {
    return breachOf(this.#connection);
  }

  close(): void {
    this.#connection.close();
  }

  async createSandbox(sandbox: SandboxRequest): Promise<void> {
    const { sandboxId, dns, hostname, storages = [], sandboxPidns = false } = sandbox;
    await this.call('createSandbox', `creating sandbox ${sandboxId} in the guest`, {
      sandboxId,
      hostname: hostname.slice(0, maxHostnameLength),
      dns,
      storages: [shareStorage, ...storages],
      sandboxPidns,
    });
  }

  async createContainer(id: string, container: ContainerRequest): Promise<void> {
    const { spec, devices = [], storages = [], sandboxPidns = false } = container;
    const form = this.isOurs
      ? { oci: {}, specJson: Buffer.from(stringifyJson(spec)) }
      : { oci: toProtoSpec(spec) };
    await this.call('createContainer', `creating container ${id}`, {
      containerId: id,
      execId: id,
      devices,
      storages,
      sandboxPidns,
      ...form,
    });
  }

  async startContainer(id: string): Promise<void> {
    await this.call('startContainer', `starting container ${id}`, { containerId: id });
  }

  /**
   * Removes the container from the guest and kills its processes.
   * @param timeoutMs shorter than that of other requests: someone is waiting for the container's end.
   */
  async removeContainer(id: string, timeoutMs: number): Promise<void> {
    await this.call('removeContainer', `removing container ${id}`, { containerId: id }, { timeoutMs });
  }

  /**
   * Starts another process in a container.
   * @param json OCI process, as containerd gave it.
   * @param terminal overrides the process's own field, which may be stale.
   * @throws SpecError when `json` is wrong.
   */
  async execProcess(id: string, execId: string, json: Uint8Array, terminal?: boolean): Promise<void> {
    const given = toGuestProcess(parseProcess(json));
    const process = terminal === undefined ? given : { ...given, terminal };
    const form = this.isOurs
      ? { process: {}, processJson: Buffer.from(stringifyJson(process)) }
      : { process: toProtoProcess(process) };
    await this.call('execProcess', `starting exec ${execId} in container ${id}`, {
      containerId: id,
      execId,
      ...form,
    });
  }

  /** Sends a signal. @param execId empty: to all processes of the container; the container's id: to its init. */
  async signalProcess(id: string, execId: string, signal: number): Promise<void> {
    const what = `sending signal ${signal} to ${execId === '' ? 'all' : execId} of container ${id}`;
    await this.call('signalProcess', what, { containerId: id, execId, signal });
  }

  /**
   * Waits for a process to exit, without limit.
   * @returns the exit status, 0 to 255; 128 + n if signal n killed it.
   */
  async waitProcess(id: string, execId: string): Promise<number> {
    const what = `waiting for ${execId || 'the init'} of container ${id}`;
    const { status } = await this.call('waitProcess', what, { containerId: id, execId }, {});
    return status >= 0 && status <= 255 ? status : 255;
  }

  async resizeTerminal(id: string, execId: string, rows: number, columns: number): Promise<void> {
    const what = `resizing the terminal of ${execId || 'the init'} of container ${id}`;
    await this.call('ttyWinResize', what, { containerId: id, execId, row: rows, column: columns });
  }

  async pauseContainer(id: string): Promise<void> {
    await this.call('pauseContainer', `pausing container ${id}`, { containerId: id });
  }

  async resumeContainer(id: string): Promise<void> {
    await this.call('resumeContainer', `resuming container ${id}`, { containerId: id });
  }

  /**
   * Changes the limits of a container.
   * @param json OCI Linux resources.
   * @returns what was left out because a guest cannot enforce it, in words.
   * @throws SpecError when `json` is wrong, AgentError `Unimplemented` when the agent cannot set a part of it.
   */
  async updateContainer(id: string, json: Uint8Array): Promise<readonly string[]> {
    const notes: string[] = [];
    const resources = toGuestResources(parseResources(json), notes);
    const what = `updating container ${id}`;
    const unsaid = this.isOurs ? [] : withoutProtoForm(resources);
    if (unsaid.length > 0)
      throw new AgentError(Code.Unimplemented, `${what}: this guest's agent cannot set ${unsaid.join(', ')}`);
    const form = this.isOurs
      ? { resources: {}, resourcesJson: Buffer.from(stringifyJson(resources)) }
      : { resources: toProtoResources(resources) };
    await this.call('updateContainer', what, { containerId: id, ...form });
    return notes;
  }

  statsContainer(id: string): Promise<StatsContainerResponse> {
    const limits = { timeoutMs: Math.min(STATS_MS, this.#requestMs) };
    return this.call('statsContainer', `reading statistics of container ${id}`, { containerId: id }, limits);
  }

  /**
   * The streams of a process; calls on them wait for the process without limit. Output of an exec ends when no writer
   * is left, that of an init when it exits: processes it leaves behind are killed with the container.
   */
  streams(containerId: string, execId: string): GuestStreams {
    const process = { containerId, execId };
    const toEnd = execId !== '';
    const what = (stream: string) => `${stream} of ${execId || 'the init'} of container ${containerId}`;
    return {
      readStdout: async (len) =>
        checkRead(
          (await this.call('readStdout', what('reading stdout'), { ...process, len, toEnd }, {})).data,
          len,
        ),
      readStderr: async (len) =>
        checkRead(
          (await this.call('readStderr', what('reading stderr'), { ...process, len, toEnd }, {})).data,
          len,
        ),
      writeStdin: async (data) =>
        checkWritten(
          (await this.call('writeStdin', what('writing stdin'), { ...process, data }, {})).len,
          data.length,
        ),
      closeStdin: async () => {
        await this.call('closeStdin', what('closing stdin'), process);
      },
      release: async () => {
        if (this.isOurs)
          await this.client(GuestService).releaseOutput(process, { timeoutMs: this.#requestMs });
      },
    };
  }

  /** Reports containers that ran out of memory, until the connection closes. */
  async watchOom(onOom: (containerId: string) => void): Promise<void> {
    while (!this.isClosed) {
      try {
        const { containerId } = await this.call('getOOMEvent', 'waiting for a lack of memory', {}, {});
        onOom(cleanText(containerId, 128));
        // A guest that reports endlessly must not keep this process busy.
        await delay(oomPauseMs);
      } catch {
        if (!this.isClosed) await delay(oomRetryMs);
      }
    }
  }

  /** Another service of the same agent, which not all agents have. */
  client<S extends ServiceSpec>(service: S): Client<S> {
    return createClient(withBoundedAnswers(service), this.#connection);
  }

  /**
   * Calls a method of the agent. Without `limits` the answer must come within the configured request time.
   * @param what the call in words, for the error.
   */
  async call<M extends keyof Methods>(
    method: M,
    what: string,
    request: Request<M>,
    limits: CallOptions = { timeoutMs: this.#requestMs },
  ): Promise<Response<M>> {
    const invoke = this.#client[method] as (request: Request<M>, limits: CallOptions) => Promise<Response<M>>;
    try {
      return await invoke(request, limits);
    } catch (error) {
      if (this.isClosed) {
        this.#end ??= endOf(this.#host, this.#connection);
        const gone = `${what}: the connection to the guest agent is gone: ${await this.#end}`;
        throw new AgentError(Code.Unavailable, gone, error);
      }
      throw agentError(what, error, limits.timeoutMs);
    }
  }
}
