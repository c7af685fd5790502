// Owns the messages of one stream between arrival and reader, as an async iterator.

import type { GatedQueue, ReceiveGate } from './receive-gate.ts';
import type { Codec } from './service.ts';
import { TtrpcError } from './status.ts';

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** What a queue reports to its owner. */
export interface QueueOwner {
  /** The status for a message that cannot be decoded, which depends on the side. */
  readonly undecodable: number;
  /** The queue itself failed: a message that cannot be decoded, or a reader that stalled. */
  onQueueError(error: TtrpcError): void;
  /** The reader left before the end. */
  onReaderLeft(): void;
}

/** Messages in order of arrival. They are decoded when read. */
export class ReceiveQueue<T> implements AsyncIterableIterator<T, undefined>, GatedQueue {
  readonly #codec: Codec<T, never>;
  readonly #gate: ReceiveGate;
  readonly #owner: QueueOwner;
  #items: Uint8Array[] = [];
  /** What each item counts for, see {@link push}. */
  #costs: number[] = [];
  #head = 0;
  /** Items before this one have their own buffers. */
  #compactTo = 0;
  #lastChunk: ArrayBufferLike | undefined;
  #waiters: Waiter<T>[] = [];
  #ended = false;
  #error: TtrpcError | undefined;
  /** The memory that the queue keeps alive. */
  queuedBytes = 0;

  constructor(codec: Codec<T, never>, gate: ReceiveGate, owner: QueueOwner) {
    this.#codec = codec;
    this.#gate = gate;
    this.#owner = owner;
  }

  get queuedMessages(): number {
    return this.#items.length - this.#head;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /**
   * Adds a message; ignored after the end. It counts as the whole chunk that it is in, because it keeps that in
   * memory; of several messages in one chunk, the last one counts. Only messages that wait for long are copied, see
   * {@link compact}.
   */
  push(payload: Uint8Array): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      this.#deliver(payload, waiter);
      return;
    }
    const last = this.#items.push(payload) - 1;
    const chunk = payload.buffer;
    const cost = chunk.byteLength;
    let added = cost;
    if (chunk === this.#lastChunk && last > this.#head) {
      added = 0;
      this.#costs[last - 1] = 0;
    }
    this.#costs.push(cost);
    this.#lastChunk = chunk;
    this.queuedBytes += added;
    this.#gate.added(this, added);
  }

  /** Copies small messages out of large chunks, so that those can be freed; returns the bytes freed. */
  compact(): number {
    let freed = 0;
    for (let i = Math.max(this.#compactTo, this.#head); i < this.#items.length; i++) {
      const item = this.#items[i] as Uint8Array;
      const cost = this.#costs[i] as number;
      const exact = item.buffer.byteLength <= 2 * item.length;
      if (!exact) this.#items[i] = Uint8Array.prototype.slice.call(item);
      const own = exact ? cost : item.length;
      freed += cost - own;
      this.#costs[i] = own;
    }
    this.#compactTo = this.#items.length;
    this.#lastChunk = undefined;
    this.queuedBytes -= freed;
    return freed;
  }

  /** No more messages will come: the reader gets what is queued and then the end. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiter of this.#waiters) waiter.resolve({ done: true, value: undefined });
    this.#waiters = [];
  }

  /** Ends with an error, after the queued messages or (`discard`) instead of them. */
  fail(error: TtrpcError, discard: boolean): void {
    if (discard) this.#drop();
    if (this.#ended) {
      if (discard) this.#error ??= error;
      return;
    }
    this.#ended = true;
    this.#error = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    // The error was delivered; as with a generator, the iteration is then over.
    if (waiters.length > 0) this.#error = undefined;
    if (discard) this.#owner.onQueueError(error);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#head < this.#items.length) {
      const payload = this.#take();
      try {
        return Promise.resolve({ done: false, value: this.#codec.decode(payload) });
      } catch (cause) {
        return Promise.reject(this.#undecodable(cause));
      }
    }
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const left = !this.#ended;
    this.#drop();
    this.#error = undefined;
    this.end();
    if (left) this.#owner.onReaderLeft();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): Uint8Array {
    const payload = this.#items[this.#head] as Uint8Array;
    const cost = this.#costs[this.#head++] as number;
    if (this.#head === this.#items.length) this.#clear();
    this.queuedBytes -= cost;
    this.#gate.removed(this, cost);
    return payload;
  }

  #deliver(payload: Uint8Array, waiter: Waiter<T>): void {
    let value: T;
    try {
      value = this.#codec.decode(payload);
    } catch (cause) {
      waiter.reject(this.#undecodable(cause));
      return;
    }
    waiter.resolve({ done: false, value });
  }

  #undecodable(cause: unknown): TtrpcError {
    const error = new TtrpcError(
      this.#owner.undecodable,
      `message of the stream cannot be decoded: ${String(cause)}`,
      {
        cause,
      },
    );
    this.#drop();
    this.end();
    this.#owner.onQueueError(error);
    return error;
  }

  #drop(): void {
    const bytes = this.queuedBytes;
    this.#clear();
    this.queuedBytes = 0;
    this.#gate.removed(this, bytes);
  }

  #clear(): void {
    this.#items = [];
    this.#costs = [];
    this.#head = 0;
    this.#compactTo = 0;
    this.#lastChunk = undefined;
  }
}
