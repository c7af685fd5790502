// Feeds a guest process's stdin from the client's FIFO, as fast as the guest accepts data.

import { delay } from '../../base/delay.ts';
import { FifoReader, isFifo } from '../../host/fifo.ts';
import { errnoText, StdioError } from './stdio-error.ts';

/** The guest's side of stdin. */
export interface GuestStdin {
  writeStdin(data: Uint8Array): Promise<number>;
  closeStdin(): Promise<void>;
}

/** After CloseIO: how long to wait for more data in an empty FIFO that a client still has open. */
const QUIET_MS = 1_000;
/** Pause before a retry after the guest accepted no byte. */
const RETRY_MS = 20;

/** Sends all of `data`, in as many writes as the guest needs. */
async function writeAll(guest: GuestStdin, data: Uint8Array, isClosed: () => boolean): Promise<void> {
  let offset = 0;
  while (offset < data.length && !isClosed()) {
    const accepted = await guest.writeStdin(data.subarray(offset));
    // The guest's count is not trusted: never go back or beyond the end.
    offset += Math.min(Math.max(0, Math.trunc(accepted) || 0), data.length - offset);
    if (accepted <= 0) await delay(RETRY_MS);
  }
}

/**
 * stdin of one process. We hold a writer of the FIFO ourselves, so it never ends and a client may detach and come back.
 * CloseIO releases that writer; then the rest of the FIFO is delivered and the guest's stdin is closed.
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
   * Checks the FIFO; `run()` opens it. If it were opened earlier, at Create or Exec, a client could write all its input and
   * close the FIFO before that call has returned; ctr, which knows only then where to send CloseIO, would never send it.
   * @throws StdioError when there is no FIFO.
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
      // After `close()` the process has ended and has no stdin.
      if (!this.#isClosed) await guest.closeStdin();
    } catch {
      // The process closed its stdin or is gone. Nobody reads, so the client gets EPIPE, as from a pipe.
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

  /** Releases the FIFO at once. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#wait(false);
    this.#reader?.close();
  }

  /** After CloseIO, a client that keeps an empty FIFO open must not keep stdin open for ever. */
  #wait(isWaiting: boolean): void {
    this.#isWaiting = isWaiting;
    clearTimeout(this.#quietTimer);
    if (isWaiting && this.#closeRequested && !this.#isClosed) {
      this.#quietTimer = setTimeout(() => this.#reader?.close(), QUIET_MS);
    }
  }
}
