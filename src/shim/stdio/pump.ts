// Copies one output stream of a guest process into a sink, pulling from the guest.

import type { Sink } from './sink.ts';

/** Size of a read. At most two buffers of this size are in memory: one being written, one read ahead. */
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

  /** @param onBroken called once when the sink fails; from then on output is read and dropped. */
  constructor(sink: Sink, onBroken: (error: unknown) => void) {
    this.#sink = sink;
    this.#onBroken = onBroken;
  }

  /** Grows with every byte that arrives or is delivered: if two values are equal, nothing has moved. */
  get progress(): number {
    return this.#received + this.#sink.written + this.#dropped;
  }

  /** True after EOF (or the end of the guest), once everything has been delivered. */
  get finished(): boolean {
    return this.#finished;
  }

  /** True while the reader has not taken everything that has arrived. */
  get isDelivering(): boolean {
    return this.#isDelivering;
  }

  /** Copies; never rejects. Ends the sink when the stream is over. */
  async run(read: ReadGuest): Promise<void> {
    await this.#copy(read);
    this.#finished = true;
    this.#sink.end();
  }

  /** Sends no further read; the result of a pending one is dropped. */
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

/** A failed read ends the stream: the VM or its agent is gone, which is reported elsewhere. */
async function readOrEnd(read: ReadGuest): Promise<Uint8Array | undefined> {
  try {
    return await read(READ_BYTES);
  } catch {
    return undefined;
  }
}
