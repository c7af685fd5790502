// Where a process's output goes: a FIFO, a file, a logger's pipe, or nowhere.

import fs from 'node:fs';
import path from 'node:path';
import { FifoWriter, isFifo } from '../../host/fifo.ts';
import { makeFolders } from '../../host/folders.ts';
import { errnoText, StdioError } from './stdio-error.ts';

/** How long a FIFO without a reader is kept open after the process's end, for a client that opens it late. */
const LINGER_MS = 5_000;

/** A destination of output. `write` is called with one chunk at a time. */
export interface Sink {
  /** Resolves when the chunk is accepted; rejects when the destination has failed for good or is closed. */
  write(data: Uint8Array): Promise<void>;
  /** Bytes accepted so far, including those of a chunk that is being written. */
  readonly written: number;
  /** The process has no more output: readers get EOF. Returns at once. */
  end(): void;
  /**
   * Releases everything at once; a pending write rejects. After `end()` it changes nothing for a FIFO: accepted data is
   * still kept for a late reader. Idempotent.
   */
  close(): Promise<void>;
}

type OutputStream = 'stdout' | 'stderr';

/** Output to a FIFO made by the client. */
class FifoSink implements Sink {
  readonly #writer: FifoWriter;
  readonly #lingerMs: number;
  #isEnded = false;

  constructor(writer: FifoWriter, lingerMs: number) {
    this.#writer = writer;
    this.#lingerMs = lingerMs;
  }

  get written(): number {
    return this.#writer.written;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#writer.write(data);
  }

  end(): void {
    this.#isEnded = true;
    void this.#writer.end(this.#lingerMs);
  }

  async close(): Promise<void> {
    if (!this.#isEnded) this.#writer.close();
  }
}

/** Output appended to a file. A slow disk blocks one thread of the pool per chunk, never the event loop. */
class FileSink implements Sink {
  readonly #handle: fs.promises.FileHandle;
  #written = 0;
  #closing: Promise<void> | undefined;
  #idle: Promise<unknown> = Promise.resolve();

  constructor(handle: fs.promises.FileHandle) {
    this.#handle = handle;
  }

  get written(): number {
    return this.#written;
  }

  write(data: Uint8Array): Promise<void> {
    const done = this.#append(data);
    this.#idle = done.catch(() => {});
    return done;
  }

  end(): void {
    void this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#idle.then(() => this.#handle.close()).catch(() => {});
    return this.#closing;
  }

  async #append(data: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < data.length) {
      const { bytesWritten } = await this.#handle.write(data, offset, data.length - offset);
      offset += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}

/** Output that nobody asked for: read from the guest, so that the process does not block, and discarded. */
export class DiscardSink implements Sink {
  #written = 0;

  get written(): number {
    return this.#written;
  }

  async write(data: Uint8Array): Promise<void> {
    this.#written += data.length;
  }

  end(): void {}

  async close(): Promise<void> {}
}

/** Output to a pipe whose reader is our own child (a logger). */
export function createPipeSink(fd: number, name: string): Sink {
  return new FifoSink(FifoWriter.fromFd(fd, name), 0);
}

/**
 * Opens a path without a scheme: normally a FIFO; a file or a character device is appended to, as by runc's shim.
 * @throws StdioError when there is nothing at the path or it cannot be opened.
 */
export async function openPathSink(stream: OutputStream, file: string, lingerMs = LINGER_MS): Promise<Sink> {
  try {
    if (isFifo(file)) return new FifoSink(FifoWriter.open(file), lingerMs);
    return new FileSink(await fs.promises.open(file, fs.constants.O_WRONLY | fs.constants.O_APPEND));
  } catch (error) {
    throw new StdioError(stream, file, `cannot be opened: ${errnoText(error)}`, error);
  }
}

/**
 * Opens `file:///path` for appending and creates its folders.
 * @throws StdioError
 */
export async function openFileSink(stream: OutputStream, uri: URL): Promise<Sink> {
  const file = decodeURIComponent(uri.pathname);
  try {
    makeFolders(path.dirname(file), 0o755);
    return new FileSink(await fs.promises.open(file, 'a', 0o644));
  } catch (error) {
    throw new StdioError(stream, uri.href, `cannot be opened: ${errnoText(error)}`, error);
  }
}
