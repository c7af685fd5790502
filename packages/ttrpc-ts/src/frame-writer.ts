// Owns writing: collects the frames of one turn of the event loop and writes them to the Duplex at once.

import type { Duplex } from 'node:stream';
import { emptyBuffer, headerBytes, maxMessageBytes } from './frame.ts';
import { Code, TtrpcError } from './status.ts';
import { varintBytes, writeVarint } from './wire.ts';

/** Payloads up to this size are copied next to their header; a larger one is passed on as it is. */
const copyBytes = 4096;
/** Frames are collected in slabs of this size. A slab is never reused, so it needs no bookkeeping. */
const slabBytes = 32 * 1024;
/** Header, payload tag and length, with room to spare. */
const headRoom = 32;

/** Writes frames to a Duplex, once per turn, in the order of the calls. */
export class FrameWriter {
  readonly #duplex: Duplex;
  readonly #highWaterBytes: number;
  readonly #queueBytes: number;
  #slab: Buffer = emptyBuffer;
  #start = 0;
  #fill = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #scheduled = false;
  #closed = false;
  #waiting: (() => void)[] = [];
  /** When frames were last written to the Duplex, as of `performance.now()`. */
  flushedAt: number = Number.NEGATIVE_INFINITY;

  constructor(duplex: Duplex, limits: { readonly highWaterBytes: number; readonly queueBytes: number }) {
    this.#duplex = duplex;
    this.#highWaterBytes = limits.highWaterBytes;
    this.#queueBytes = limits.queueBytes;
    duplex.on('drain', () => this.#releaseWaiting());
  }

  /** Whether the peer reads too slowly for what was written; wait for {@link drained} before producing more. */
  get isBlocked(): boolean {
    return !this.#closed && this.#queuedBytes > this.#highWaterBytes;
  }

  get #queuedBytes(): number {
    return this.#duplex.writableLength + this.#pendingBytes;
  }

  get #pendingBytes(): number {
    return this.#partBytes + this.#fill - this.#start;
  }

  /** Resolves when there is room again, or the connection has closed. */
  drained(): Promise<void> {
    if (!this.isBlocked) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /**
   * Writes one frame whose data is `prefix`, then `payload` (after `payloadTag` and its length, unless the tag is 0
   * or the payload is empty), then `suffix`. Throws `ResourceExhausted` if the data is over 4 MiB, or if there is
   * data and the peer has left too much unread. A frame that ends a stream has no data, so it is always sent.
   */
  write(
    streamId: number,
    type: number,
    flags: number,
    prefix: Buffer,
    payloadTag: number,
    payload: Uint8Array,
    suffix: Buffer,
  ): void {
    const tagged = payloadTag !== 0 && payload.length > 0;
    const lengthBytes = tagged ? 1 + varintBytes(payload.length) : 0;
    const length = prefix.length + lengthBytes + payload.length + suffix.length;
    if (length > maxMessageBytes) {
      throw new TtrpcError(
        Code.ResourceExhausted,
        `message of ${length} bytes exceeds the limit of ${maxMessageBytes} bytes`,
      );
    }
    if (this.#closed) return;
    if (length > 0 && this.#queuedBytes + length > this.#queueBytes) {
      throw new TtrpcError(
        Code.ResourceExhausted,
        `peer does not read: ${this.#queuedBytes} bytes wait for it`,
      );
    }
    const copied = payload.length <= copyBytes;
    const head = headRoom + prefix.length + (copied ? payload.length + suffix.length : 0);
    if (this.#slab.length - this.#fill < head) this.#newSlab(head);
    const slab = this.#slab;
    let pos = this.#fill;
    slab.writeUInt32BE(length, pos);
    slab.writeUInt32BE(streamId, pos + 4);
    slab[pos + 8] = type;
    slab[pos + 9] = flags;
    pos += headerBytes;
    if (prefix.length > 0) {
      slab.set(prefix, pos);
      pos += prefix.length;
    }
    if (tagged) {
      slab[pos++] = payloadTag;
      pos = writeVarint(slab, pos, payload.length);
    }
    this.#fill = copied ? this.#copyBody(pos, payload, suffix) : this.#passBody(pos, payload, suffix);
    if (!this.#scheduled) {
      this.#scheduled = true;
      // After this turn's microtasks, to include replies of async handlers that did not wait for anything.
      process.nextTick(flushWriter, this);
    }
  }

  #copyBody(pos: number, payload: Uint8Array, suffix: Buffer): number {
    const slab = this.#slab;
    if (payload.length > 0) slab.set(payload, pos);
    if (suffix.length > 0) slab.set(suffix, pos + payload.length);
    return pos + payload.length + suffix.length;
  }

  #passBody(pos: number, payload: Uint8Array, suffix: Buffer): number {
    this.#fill = pos;
    this.#closePart();
    this.#parts.push(payload);
    this.#partBytes += payload.length;
    if (suffix.length > 0) {
      this.#parts.push(suffix);
      this.#partBytes += suffix.length;
    }
    return this.#fill;
  }

  #newSlab(needed: number): void {
    this.#closePart();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, needed));
    this.#start = 0;
    this.#fill = 0;
  }

  /** Turns what was added to the slab since the last part into a part. */
  #closePart(): void {
    if (this.#fill === this.#start) return;
    this.#parts.push(this.#slab.subarray(this.#start, this.#fill));
    this.#partBytes += this.#fill - this.#start;
    this.#start = this.#fill;
  }

  /** Writes everything collected to the Duplex: one write, or one writev. */
  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    this.#closePart();
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#partBytes = 0;
    this.#parts = [];
    const duplex = this.#duplex;
    this.flushedAt = performance.now();
    if (parts.length === 1) {
      duplex.write(parts[0]);
    } else {
      duplex.cork();
      for (const part of parts) duplex.write(part);
      duplex.uncork();
    }
    if (this.#waiting.length > 0 && !duplex.writableNeedDrain) this.#releaseWaiting();
  }

  /** Drops what was not written and resolves everyone who waits. */
  close(): void {
    this.#closed = true;
    this.#parts = [];
    this.#partBytes = 0;
    this.#slab = emptyBuffer;
    this.#start = 0;
    this.#fill = 0;
    this.#releaseWaiting();
  }

  #releaseWaiting(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function flushWriter(writer: FrameWriter): void {
  writer.flush();
}
