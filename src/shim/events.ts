/**
 * Publishes the shim's events to containerd: in order, one at a time, from a bounded queue that survives a restart of
 * containerd. Only `flush` waits for it.
 */
import { type Client, Code, type Connection, connect, createClient, TtrpcError } from 'ttrpc-ts';
import { EventsService } from '../gen/events.ts';
import type { Timestamp } from '../gen/google.ts';
import { timestamp } from './timestamp.ts';

export interface PublisherOptions {
  /** containerd's ttrpc socket (`TTRPC_ADDRESS`); empty, as with CRI-O: events are discarded. */
  readonly address: string;
  readonly namespace: string;
  /** Called when events are discarded. */
  readonly onDropped?: (count: number, reason: string) => void;
  readonly limits?: Partial<PublisherLimits>;
}

export interface PublisherLimits {
  /** Maximum number of waiting events; beyond it the oldest are discarded. */
  readonly queue: number;
  /** Time limit for a connection and for an answer. */
  readonly callMs: number;
  /** First and longest pause between attempts while containerd is away; it doubles each time. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  /** Attempts for one event that containerd receives but answers with an error. */
  readonly attempts: number;
}

const defaults: PublisherLimits = {
  queue: 2048,
  callMs: 5_000,
  minPauseMs: 100,
  maxPauseMs: 5_000,
  attempts: 5,
};

interface QueuedEvent {
  readonly topic: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly timestamp: Timestamp;
  attempts: number;
}

export class EventPublisher {
  readonly #path: string;
  readonly #namespace: string;
  readonly #limits: PublisherLimits;
  readonly #onDropped: (count: number, reason: string) => void;
  readonly #queue: QueuedEvent[] = [];
  #connection: Connection | undefined;
  #client: Client<typeof EventsService> | undefined;
  #isSending = false;
  #isClosed = false;
  /** Ends the pause between two attempts early. */
  #wake: () => void = () => {};
  #flushes: ((isFlushed: boolean) => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#path = socketPathOf(options.address);
    this.#namespace = options.namespace;
    this.#limits = { ...defaults, ...options.limits };
    this.#onDropped = options.onDropped ?? (() => {});
  }

  /** How many events containerd has not accepted yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /**
   * Queues an event; returns at once and never throws.
   * @param topic such as `/tasks/exit`.
   * @param typeUrl full name of the message in `value`.
   */
  publish(topic: string, typeUrl: string, value: Uint8Array): void {
    if (this.#path === '' || this.#isClosed) return;
    if (this.#queue.length >= this.#limits.queue) {
      // The first one may be in transit: drop the oldest that is certainly not.
      this.#queue.splice(this.#isSending ? 1 : 0, 1);
      this.#onDropped(1, `more than ${this.#limits.queue} events wait for containerd`);
    }
    this.#queue.push({ topic, typeUrl, value, timestamp: timestamp(new Date()), attempts: 0 });
    if (!this.#isSending) void this.#sendAll();
  }

  /**
   * Waits until containerd has accepted every event, at most `timeoutMs`.
   * @returns whether it has.
   */
  async flush({ timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
    if (this.#queue.length === 0) return true;
    this.#wake();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    this.#flushes.push(resolve);
    const isFlushed = await promise;
    clearTimeout(timer);
    return isFlushed;
  }

  /** Closes the connection and discards all waiting events. */
  close(): void {
    this.#isClosed = true;
    const left = this.#queue.splice(0).length;
    if (left > 0) this.#onDropped(left, 'the publisher was closed');
    this.#disconnect();
    this.#wake();
    this.#settleFlushes(left === 0);
  }

  /** The only place that sends; runs once at a time. An event leaves the queue when containerd has answered. */
  async #sendAll(): Promise<void> {
    this.#isSending = true;
    let pauseMs = this.#limits.minPauseMs;
    for (let event = this.#queue[0]; event !== undefined; event = this.#queue[0]) {
      const outcome = await this.#send(event);
      if (this.#isClosed) break;
      if (outcome === 'retry') {
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, this.#limits.maxPauseMs);
        continue;
      }
      pauseMs = this.#limits.minPauseMs;
      this.#queue.shift();
    }
    this.#isSending = false;
    this.#settleFlushes(true);
  }

  async #send(event: QueuedEvent): Promise<'done' | 'retry'> {
    try {
      const client = await this.#connect();
      const { typeUrl, value, topic } = event;
      const envelope = {
        timestamp: event.timestamp,
        namespace: this.#namespace,
        topic,
        event: { typeUrl, value },
      };
      const metadata = { 'containerd-namespace-ttrpc': this.#namespace };
      await client.forward({ envelope }, { timeoutMs: this.#limits.callMs, metadata });
      return 'done';
    } catch (error) {
      return this.#judge(event, TtrpcError.from(error));
    }
  }

  /** Retries for as long as containerd is away; an event that containerd refuses is retried a few times only. */
  #judge(event: QueuedEvent, error: TtrpcError): 'done' | 'retry' {
    const isAway =
      error.code === Code.Unavailable || error.code === Code.DeadlineExceeded || error.code === Code.Canceled;
    if (isAway) {
      this.#disconnect();
      return 'retry';
    }
    event.attempts += 1;
    const isFinal = error.code === Code.InvalidArgument || error.code === Code.Unimplemented;
    if (!isFinal && event.attempts < this.#limits.attempts) return 'retry';
    this.#onDropped(1, `containerd does not accept ${event.topic}: ${error.message}`);
    return 'done';
  }

  async #connect(): Promise<Client<typeof EventsService>> {
    if (this.#client !== undefined) return this.#client;
    const connection = await connect(
      { path: this.#path },
      { signal: AbortSignal.timeout(this.#limits.callMs) },
    );
    if (this.#isClosed) {
      connection.close();
      throw new TtrpcError(Code.Canceled, 'the publisher was closed');
    }
    this.#connection = connection;
    this.#client = createClient(EventsService, connection);
    void connection.closed.then(() => {
      if (this.#connection === connection) this.#disconnect();
    });
    return this.#client;
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#client = undefined;
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    return promise.finally(() => {
      clearTimeout(timer);
      this.#wake = () => {};
    });
  }

  #settleFlushes(isFlushed: boolean): void {
    for (const resolve of this.#flushes.splice(0)) resolve(isFlushed);
  }
}

/** containerd gives a plain path; a leading @ stands for the abstract namespace. */
function socketPathOf(address: string): string {
  const path = address.replace(/^unix:\/\//, '');
  return path.startsWith('@') ? `\0${path.slice(1)}` : path;
}
