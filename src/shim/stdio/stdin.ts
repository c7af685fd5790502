// Feeds a guest process' stdin from the client's FIFO, as fast as the guest accepts and no faster.

import { delay } from '../../base/delay.ts';
import { FifoReader, isFifo } from '../../host/fifo.ts';
import { errnoText, StdioError } from './stdio-error.ts';

/** The guest's side of stdin. */
export interface GuestStdin {
  writeStdin(data: Uint8Array): Promise<number>;
  closeStdin(): Promise<void>;
}

/** After CloseIO, how long an empty FIFO that a client still holds open is waited for. */
const QUIET_MS = 1_000;
/** Pause before a write of which the guest accepted nothing is tried again. */
const RETRY_MS = 20;

/** Sends all of `data`, in as many writes as the guest wants. */
async function writeAll(guest: GuestStdin, data: Uint8Array, isClosed: () => boolean): Promise<void> {
  let offset = 0;
  while (offset < data.length && !isClosed()) {
    const accepted = await guest.writeStdin(data.subarray(offset));
    // The guest is not trusted to count: never step back or beyond the end.
    offset += Math.min(Math.max(0, Math.trunc(accepted) || 0), data.length - offset);
    if (accepted <= 0) await delay(RETRY_MS);
  }
}

/**
 * stdin of one process. The FIFO never ends while we hold our own writer, so a client may detach and come back;
 * CloseIO lets go of it, the rest of the FIFO is delivered, and then the guest's stdin is closed.
 */
export class Stdin {
  readonly #file: string;
  #reader: FifoReader | undefined;
  #closeRequested = false;
  #isClosed = false;
  #quietTimer: NodeJS.Timeout | undefined;
  #isWaiting = false;

  private constructor(file: string) {
    this.#file = file;
  }

  /**
   * Checks the FIFO; it is opened by `run()`. Opened earlier, at Create or Exec, it would let a client copy and close
   * its input before that call has returned, and ctr, which knows only then whom to send CloseIO to, never would.
   * @throws StdioError when it is not there or is no FIFO.
   */
  static open(file: string): Stdin {
    try {
      if (isFifo(file)) return new Stdin(file);
    } catch (error) {
      throw new StdioError('stdin', file, `cannot be opened: ${errnoText(error)}`, error);
    }
    throw new StdioError('stdin', file, 'is not a FIFO');
  }

  /** Copies until CloseIO and the end of the FIFO, a failed write, or `close()`; never rejects. */
  async run(guest: GuestStdin): Promise<void> {
    if (this.#isClosed) return;
    try {
      this.#reader = FifoReader.open(this.#file);
      if (this.#closeRequested) this.#reader.releaseWriter();
      const chunks = this.#reader.chunks();
      for (;;) {
        this.#wait(true);
        const next = await chunks.next();
        this.#wait(false);
        if (next.done) break;
        await writeAll(guest, next.value, () => this.#isClosed);
      }
      // `close()` is the end of the process: its stdin is nobody's business any more.
      if (!this.#isClosed) await guest.closeStdin();
    } catch {
      // The process closed its stdin or is gone. Nobody reads any more: the client gets EPIPE, as from a pipe.
    } finally {
      this.#wait(false);
      this.#reader?.close();
    }
  }

  /** CloseIO. Before `run()` it is remembered. */
  requestClose(): void {
    if (this.#closeRequested) return;
    this.#closeRequested = true;
    this.#reader?.releaseWriter();
    if (this.#isWaiting) this.#wait(true);
  }

  /** Lets go of the FIFO at once. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#wait(false);
    this.#reader?.close();
  }

  /** While the FIFO is empty after CloseIO, a client that keeps its end open must not keep stdin open for ever. */
  #wait(isWaiting: boolean): void {
    this.#isWaiting = isWaiting;
    clearTimeout(this.#quietTimer);
    if (isWaiting && this.#closeRequested && !this.#isClosed) {
      this.#quietTimer = setTimeout(() => this.#reader?.close(), QUIET_MS);
    }
  }
}
