/**
 * Reads a stream of a process that nobody trusts at a bounded cost: bytes that come in many small chunks cost far more
 * than the same bytes in few. When too many come, reading pauses: meanwhile they gather in the kernel, and a writer that
 * has filled its buffer there waits.
 */
import type { Readable } from 'node:stream';
import { Rate } from '../base/rate.ts';

/** Node's handle of a socket: stopping it is what stops the reading, `pause()` alone still takes 64 KiB, chunk by chunk. */
interface Handle {
  /** False when Node has stopped it, because nobody takes what was read. */
  readonly reading?: boolean;
  readStop(): void;
  readStart(): void;
}

export interface Pace {
  /** Chunks that are read without a pause: so many at once, and then so many per second. */
  readonly burst: number;
  readonly perSecond: number;
  readonly pauseMs: number;
  /** Only smaller chunks count; all of them unless told. */
  readonly smallBytes?: number;
}

export class PacedReading {
  readonly #stream: Readable;
  #timer: NodeJS.Timeout | undefined;
  #isFree = false;

  /** Begins at once; the stream must be read by somebody already. */
  constructor(stream: Readable, pace: Pace) {
    this.#stream = stream;
    const rate = new Rate(pace);
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#isFree || chunk.length >= (pace.smallBytes ?? Number.POSITIVE_INFINITY)) return;
      if (this.#timer === undefined && !rate.take()) this.#pause(pace.pauseMs);
    });
    stream.once('close', () => this.free());
  }

  /** Reads on without limit, to the end of what the writer has left. */
  free(): void {
    this.#isFree = true;
    if (this.#timer !== undefined) this.#goOn();
  }

  #pause(ms: number): void {
    this.#handle?.readStop();
    this.#timer = setTimeout(() => this.#goOn(), ms);
    this.#timer.unref();
  }

  #goOn(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const handle = this.#handle;
    if (handle?.reading !== false) handle?.readStart();
  }

  get #handle(): Handle | undefined {
    const handle = (this.#stream as { _handle?: Partial<Handle> | null })._handle;
    return typeof handle?.readStop === 'function' && typeof handle.readStart === 'function'
      ? (handle as Handle)
      : undefined;
  }
}
