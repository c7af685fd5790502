/**
 * Reads a stream of an untrusted process at a bounded cost: bytes in many small chunks cost far more than the same
 * bytes in a few large ones. When too many chunks come, reading pauses; the kernel then buffers, and the writer blocks
 * once that buffer is full.
 */
import type { Readable } from 'node:stream';
import { Rate } from '../base/rate.ts';

/** Node's socket handle: only stopping it stops the reads; after `pause()` Node still reads 64 KiB, chunk by chunk. */
interface Handle {
  /** False when Node has stopped it because nobody consumes what was read. */
  readonly reading?: boolean;
  readStop(): void;
  readStart(): void;
}

export interface Pace {
  /** Chunks read without a pause: so many at once, then so many per second. */
  readonly burst: number;
  readonly perSecond: number;
  readonly pauseMs: number;
  /** Only chunks smaller than this count; default: all. */
  readonly smallBytes?: number;
}

export class PacedReading {
  readonly #stream: Readable;
  #timer: NodeJS.Timeout | undefined;
  #isFree = false;

  /** Starts at once; somebody must already be reading the stream. */
  constructor(stream: Readable, pace: Pace) {
    this.#stream = stream;
    const rate = new Rate(pace);
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#isFree || chunk.length >= (pace.smallBytes ?? Number.POSITIVE_INFINITY)) return;
      if (this.#timer === undefined && !rate.take()) this.#pause(pace.pauseMs);
    });
    stream.once('close', () => this.free());
  }

  /** Lifts the limit, to read what a writer that has gone left behind. */
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
