// Owns the bound on what is received but not consumed: pauses reading from the connection while one stream, or all
// together, hold too much, and fails a stream whose reader has stopped.

import type { Duplex } from 'node:stream';
import type { ReceiveLimits } from './limits.ts';
import { Code, TtrpcError } from './status.ts';

/** What the gate needs to know about a queue. */
export interface GatedQueue {
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Frees what the messages keep alive beyond their own bytes; returns how much that was. */
  compact(): number;
  fail(error: TtrpcError, discard: boolean): void;
}

/** One per connection. Every stream's queue reports to it. */
export class ReceiveGate {
  readonly #duplex: Duplex;
  readonly #limits: ReceiveLimits;
  readonly #full = new Set<GatedQueue>();
  readonly #queues = new Set<GatedQueue>();
  #bytes = 0;
  #overBudget = false;
  #writeBlocked = false;
  #paused = false;
  #progress = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(duplex: Duplex, limits: ReceiveLimits) {
    this.#duplex = duplex;
    this.#limits = limits;
  }

  /** A queue has received a message of `bytes`. */
  added(queue: GatedQueue, bytes: number): void {
    this.#bytes += bytes;
    if (queue.queuedMessages === 1) this.#queues.add(queue);
    const { streamMessages, streamBytes, connectionBytes } = this.#limits;
    if (queue.queuedBytes >= streamBytes) this.#bytes -= queue.compact();
    if (this.#bytes > connectionBytes) this.#compactAll();
    if (queue.queuedMessages >= streamMessages || queue.queuedBytes >= streamBytes) this.#full.add(queue);
    this.#update();
  }

  /** A queue has given `bytes` to its reader, or dropped them. */
  removed(queue: GatedQueue, bytes: number): void {
    this.#bytes -= bytes;
    this.#progress = true;
    if (queue.queuedMessages === 0) this.#queues.delete(queue);
    if (!this.#paused) return;
    const { streamMessages, streamBytes } = this.#limits;
    if (queue.queuedMessages <= streamMessages / 2 && queue.queuedBytes <= streamBytes / 2) {
      this.#full.delete(queue);
    }
    this.#update();
  }

  /** While replies cannot be sent, requests that would produce more of them are not read. */
  setWriteBlocked(blocked: boolean): void {
    this.#writeBlocked = blocked;
    this.#update();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#full.clear();
    this.#queues.clear();
  }

  #compactAll(): void {
    for (const queue of this.#queues) this.#bytes -= queue.compact();
    // If little was freed this counts as full: otherwise the next message would compact all queues again.
    this.#overBudget = this.#bytes > 0.75 * this.#limits.connectionBytes;
  }

  #update(): void {
    if (this.#closed) return;
    const { connectionBytes, stallMs } = this.#limits;
    if (this.#bytes <= connectionBytes / 2) this.#overBudget = false;
    const held = this.#full.size > 0 || this.#overBudget;
    const pause = held || this.#writeBlocked;
    if (held && this.#timer === undefined && Number.isFinite(stallMs)) {
      this.#progress = false;
      this.#timer = setTimeout(() => this.#checkProgress(), stallMs);
    } else if (!held && this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#duplex.pause();
    else this.#duplex.resume();
  }

  #checkProgress(): void {
    this.#timer = undefined;
    if (!this.#progress) {
      const error = new TtrpcError(
        Code.ResourceExhausted,
        `stream is full and was not read for ${this.#limits.stallMs} ms`,
      );
      const victims = this.#full.size > 0 ? [...this.#full] : this.#largest();
      for (const queue of victims) queue.fail(error, true);
    }
    this.#update();
  }

  #largest(): GatedQueue[] {
    let largest: GatedQueue | undefined;
    for (const queue of this.#queues) {
      if (largest === undefined || queue.queuedBytes > largest.queuedBytes) largest = queue;
    }
    return largest === undefined ? [] : [largest];
  }
}
