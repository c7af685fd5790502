// Copies one output stream of a guest process into a sink, pulling from the guest.

import type { Sink } from './sink.ts';

/** Asked for per read. Two buffers of this size are in memory at most: one being written, one read ahead. */
export const READ_BYTES = 1024 * 1024;

/** Reads up to `length` bytes of the guest's stream; an empty answer is EOF. */
export type ReadGuest = (length: number) => Promise<Uint8Array>;

/** One direction of output. Runs until the guest's EOF, a failed read, or `stop()`. */
export class Pump {
  readonly #sink: Sink;
  readonly #onBroken: (error: unknown) => void;
  #received = 0;
  #dropped = 0;
  #isBroken = false;
  #isStopped = false;
  #finished = false;
  #isDelivering = false;

  /** @param onBroken told once when the sink fails; from then on output is read and dropped. */
  constructor(sink: Sink, onBroken: (error: unknown) => void) {
    this.#sink = sink;
    this.#onBroken = onBroken;
  }

  /** Grows with every byte that arrives or is delivered: two equal values mean that nothing moved. */
  get progress(): number {
    return this.#received + this.#sink.written + this.#dropped;
  }

  /** True after EOF (or the end of the guest) when all was delivered. */
  get finished(): boolean {
    return this.#finished;
  }

  /** True while a reader has still to take what has arrived. */
  get isDelivering(): boolean {
    return this.#isDelivering;
  }

  /** Copies; never rejects. Ends the sink when the stream is over. */
  async run(read: ReadGuest): Promise<void> {
    await this.#copy(read);
    this.#finished = true;
    this.#sink.end();
  }

  /** No further read is sent; what is under way is dropped when it arrives. */
  stop(): void {
    this.#isStopped = true;
  }

  async #copy(read: ReadGuest): Promise<void> {
    let next = readOrEnd(read);
    for (;;) {
      const chunk = await next;
      if (this.#isStopped || chunk === undefined || chunk.length === 0) return;
      this.#received += chunk.length;
      // The read-ahead: the guest works on the next chunk while this one waits for its reader.
      next = readOrEnd(read);
      this.#isDelivering = true;
      await this.#deliver(chunk);
      this.#isDelivering = false;
    }
  }

  async #deliver(chunk: Uint8Array): Promise<void> {
    if (!this.#isBroken) {
      try {
        await this.#sink.write(chunk);
        return;
      } catch (error) {
        this.#isBroken = true;
        if (!this.#isStopped) this.#onBroken(error);
      }
    }
    this.#dropped += chunk.length;
  }
}

/** A failed read is the end of the stream: the VM or its agent is gone, which others report. */
async function readOrEnd(read: ReadGuest): Promise<Uint8Array | undefined> {
  try {
    return await read(READ_BYTES);
  } catch {
    return undefined;
  }
}
