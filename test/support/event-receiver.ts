// Stands in for containerd's events service: receives what a shim publishes, in order, decoded.
import { type Codec, Server } from 'ttrpc-ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import {
  type Envelope,
  EventsService,
  TaskCreate,
  TaskDelete,
  TaskExecAdded,
  TaskExecStarted,
  TaskExit,
  TaskOOM,
  TaskPaused,
  TaskResumed,
  TaskStart,
} from '../../src/gen/events.ts';

export interface ReceivedEvent {
  readonly topic: string;
  readonly namespace: string;
  /** Fields of the decoded message; ids and pids are looked at by the tests. */
  readonly event: Readonly<Record<string, unknown>>;
  readonly envelope: Envelope;
  /** The `containerd-namespace-ttrpc` metadata of the call. */
  readonly metadataNamespace: string | undefined;
}

const codecs: Readonly<Record<string, Codec<object>>> = {
  'containerd.events.TaskCreate': TaskCreate,
  'containerd.events.TaskStart': TaskStart,
  'containerd.events.TaskExit': TaskExit,
  'containerd.events.TaskDelete': TaskDelete,
  'containerd.events.TaskOOM': TaskOOM,
  'containerd.events.TaskExecAdded': TaskExecAdded,
  'containerd.events.TaskExecStarted': TaskExecStarted,
  'containerd.events.TaskPaused': TaskPaused,
  'containerd.events.TaskResumed': TaskResumed,
} as const satisfies Record<string, object>;

export class EventReceiver {
  readonly events: ReceivedEvent[] = [];
  readonly #path: string;
  #server: Server | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async listen(): Promise<void> {
    const server = new Server();
    server.add(EventsService, {
      forward: ({ envelope }, { metadata }) => {
        if (envelope !== undefined) this.#take(envelope, metadata.get('containerd-namespace-ttrpc')?.[0]);
        return {};
      },
    });
    await server.listen({ path: this.#path });
    this.#server = server;
  }

  /** Goes away as a killed containerd does; what comes meanwhile must be queued by the shim. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Events of one container, oldest first; of all without an id. */
  of(containerId?: string): ReceivedEvent[] {
    return this.events.filter(({ event }) => containerId === undefined || event.containerId === containerId);
  }

  /** The topics of a container's events, execs told apart: `/tasks/exit e1`. */
  topics(containerId: string): string[] {
    return this.of(containerId).map(({ topic, event }) => {
      const exec =
        event.execId ??
        (event.id !== undefined && event.id !== '' && event.id !== containerId ? event.id : '');
      return `${topic} ${String(exec)}`.trim();
    });
  }

  /** Waits for an event such as `/tasks/exit` or `/tasks/exit e1`. */
  async expect(containerId: string, topic: string, timeoutMs = 10_000): Promise<ReceivedEvent> {
    const find = (): ReceivedEvent | undefined =>
      this.of(containerId)[this.topics(containerId).indexOf(topic)];
    return await waitFor(`event ${topic}`, find, timeoutMs).catch((cause: unknown) => {
      throw new Error(`no event ${topic}; seen: ${this.topics(containerId).join(', ')}`, { cause });
    });
  }

  #take(envelope: Envelope, metadataNamespace: string | undefined): void {
    const codec = codecs[envelope.event?.typeUrl ?? ''];
    const event = { ...codec?.decode(envelope.event?.value ?? new Uint8Array()) };
    this.events.push({
      topic: envelope.topic,
      namespace: envelope.namespace,
      event,
      envelope,
      metadataNamespace,
    });
  }
}
