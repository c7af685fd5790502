// Non-blocking FIFOs: opening, writing with back-pressure, reading while holding a writer, private pairs.
//
// A blocking open or write of a FIFO would occupy a thread of libuv's pool for as long as the other side likes; four
// of them would stop every file operation of this process. So every descriptor here is O_NONBLOCK and waits in epoll
// (through net.Socket), never in a thread.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = fs.constants;

/** PIPE_BUF on Linux: a write of up to this size is accepted whole or not at all, so it doubles as "wait for room". */
const PIPE_BUF_BYTES = 4096;
const LINGER_STEP_MS = 50;

/** Whether `file` is a named pipe. @throws the errno error of stat(2). */
export function isFifo(file: string): boolean {
  return fs.statSync(file).isFIFO();
}

function errnoCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Opens the write end of a FIFO without blocking; undefined when nobody has it open for reading. */
function tryOpenWriteEnd(file: string): number | undefined {
  try {
    return fs.openSync(file, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if (errnoCode(error) === 'ENXIO') return undefined;
    throw error;
  }
}

/** Rejects a pending or later `write()` after `close()`. */
export class FifoClosedError extends Error {
  constructor(name: string) {
    super(`${name}: closed while writing`);
    this.name = 'FifoClosedError';
  }
}

/**
 * The write end of a pipe. Bytes go straight to the kernel while there is room; while the pipe is full it waits in
 * epoll.
 *
 * When opened by path it also holds a read end, so that a reader that leaves neither breaks the writer (EPIPE) nor
 * ends the stream: data waits in the pipe for the next reader.
 */
export class FifoWriter {
  readonly name: string;
  readonly #fd: number;
  readonly #hasPath: boolean;
  #holder: number | undefined;
  #socket: net.Socket | undefined;
  #rejectWait: ((error: Error) => void) | undefined;
  #written = 0;
  #closed = false;

  private constructor(name: string, fd: number, holder: number | undefined) {
    this.name = name;
    this.#fd = fd;
    this.#holder = holder;
    this.#hasPath = holder !== undefined;
  }

  /** Opens a FIFO by path. Never blocks, with or without a reader. @throws the errno error of open(2). */
  static open(file: string): FifoWriter {
    const holder = fs.openSync(file, O_RDONLY | O_NONBLOCK);
    try {
      return new FifoWriter(file, fs.openSync(file, O_WRONLY | O_NONBLOCK), holder);
    } catch (error) {
      fs.closeSync(holder);
      throw error;
    }
  }

  /** Takes over the write end of a pipe that another process reads; writes fail with EPIPE when it has gone. */
  static fromFd(fd: number, name: string): FifoWriter {
    return new FifoWriter(name, fd, undefined);
  }

  /** Bytes that the kernel has accepted so far. */
  get written(): number {
    return this.#written;
  }

  /**
   * Resolves when the kernel has accepted all of `data`; do not change the buffer before that. One write at a time.
   * @throws FifoClosedError after `close()`, or the errno error when the pipe is broken.
   */
  async write(data: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < data.length) {
      if (this.#closed) throw new FifoClosedError(this.name);
      const accepted = this.#writeNow(data, offset);
      offset += accepted;
      this.#written += accepted;
      if (offset === data.length) return;
      const piece = data.subarray(offset, Math.min(offset + PIPE_BUF_BYTES, data.length));
      await this.#writeWhenRoom(piece);
      offset += piece.length;
      this.#written += piece.length;
    }
  }

  /**
   * Ends the stream: readers get EOF after what is in the pipe. Without a reader the write end stays open until one
   * comes, for at most `lingerMs`: closing the last descriptor would discard the data, and a client that opens the
   * FIFO later would wait forever. Resolves when the descriptors are closed.
   */
  async end(lingerMs: number): Promise<void> {
    this.#closeHolder();
    const until = performance.now() + lingerMs;
    while (!this.#closed && !this.#hasReader() && performance.now() < until) {
      await sleep(LINGER_STEP_MS);
    }
    this.close();
  }

  /** Closes at once; a pending write rejects. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeHolder();
    this.#rejectWait?.(new FifoClosedError(this.name));
    if (this.#socket === undefined) fs.closeSync(this.#fd);
    else this.#socket.destroy();
  }

  #writeNow(data: Uint8Array, offset: number): number {
    try {
      return fs.writeSync(this.#fd, data, offset, data.length - offset);
    } catch (error) {
      if (errnoCode(error) === 'EAGAIN') return 0;
      throw error;
    }
  }

  #writeWhenRoom(piece: Uint8Array): Promise<void> {
    this.#socket ??= this.#createSocket();
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      this.#rejectWait = reject;
      socket.write(piece, (error) => {
        this.#rejectWait = undefined;
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** Created when the pipe is first full: most streams never need it, and it costs memory per container. */
  #createSocket(): net.Socket {
    const socket = new net.Socket({ fd: this.#fd, readable: false, writable: true });
    socket.on('error', (error) => this.#rejectWait?.(error));
    return socket;
  }

  #hasReader(): boolean {
    if (!this.#hasPath) return true;
    try {
      const probe = tryOpenWriteEnd(this.name);
      if (probe === undefined) return false;
      fs.closeSync(probe);
    } catch {
      // The path is gone, so no reader can come.
    }
    return true;
  }

  #closeHolder(): void {
    if (this.#holder === undefined) return;
    fs.closeSync(this.#holder);
    this.#holder = undefined;
  }
}

/**
 * The read end of a FIFO. It holds a writer of its own, so that the stream does not end when a client detaches: EOF
 * comes only after `releaseWriter()`, once every other writer has gone too.
 */
export class FifoReader {
  readonly #socket: net.Socket;
  #holder: number | undefined;

  private constructor(fd: number, holder: number | undefined) {
    this.#socket = new net.Socket({
      fd,
      readable: true,
      writable: false,
      manualStart: true,
    } as net.SocketConstructorOpts);
    this.#socket.on('error', () => {});
    this.#holder = holder;
  }

  /** Opens a FIFO by path. Never blocks. @throws the errno error of open(2). */
  static open(file: string): FifoReader {
    const fd = fs.openSync(file, O_RDONLY | O_NONBLOCK);
    let holder: number | undefined;
    try {
      holder = fs.openSync(file, O_WRONLY | O_NONBLOCK);
      return new FifoReader(fd, holder);
    } catch (error) {
      fs.closeSync(fd);
      if (holder !== undefined) fs.closeSync(holder);
      throw error;
    }
  }

  /** Takes over the read end of a pipe , whether or not it is non-blocking. */
  static fromFd(fd: number): FifoReader {
    return new FifoReader(fd, undefined);
  }

  /** Chunks as they arrive, with back-pressure: at most one buffer is read ahead. Ends at EOF, error or `close()`. */
  async *chunks(): AsyncGenerator<Buffer, void, void> {
    try {
      for await (const chunk of this.#socket) yield chunk as Buffer;
    } catch {
      // After a read error or our own close nothing more comes.
    }
  }

  /** Closes our own writer. Idempotent. */
  releaseWriter(): void {
    if (this.#holder === undefined) return;
    fs.closeSync(this.#holder);
    this.#holder = undefined;
  }

  /** Closes both ends; a loop over `chunks()` ends. Idempotent. */
  close(): void {
    this.releaseWriter();
    this.#socket.destroy();
  }
}

/** A pipe between us and a child: our end is non-blocking, the child's is blocking, as programs expect. */
export interface PrivatePipe {
  readonly ours: number;
  readonly child: number;
}

/**
 * Creates pipes to hand to a child process, one per direction ('in': we read; 'out': we write). Node offers only socket
 * pairs, which lack /dev/fd and splice; so this makes FIFOs in a new directory and unlinks them at once. Nothing stays
 * on disk, and on an error nothing stays open.
 */
export async function createPrivatePipes(directions: readonly ('in' | 'out')[]): Promise<PrivatePipe[]> {
  const dir = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'bulkhead-pipe-'));
  const open: number[] = [];
  try {
    const files = directions.map((_, index) => path.join(dir, String(index)));
    await promisify(execFile)('mkfifo', ['-m', '0600', '--', ...files]);
    return directions.map((direction, index) => {
      const file = files[index] as string;
      const keep = (fd: number): number => {
        open.push(fd);
        return fd;
      };
      // While a read-write descriptor is open, neither of the two opens below can block.
      const both = fs.openSync(file, O_RDWR | O_NONBLOCK);
      try {
        if (direction === 'in') {
          return {
            ours: keep(fs.openSync(file, O_RDONLY | O_NONBLOCK)),
            child: keep(fs.openSync(file, O_WRONLY)),
          };
        }
        return {
          ours: keep(fs.openSync(file, O_WRONLY | O_NONBLOCK)),
          child: keep(fs.openSync(file, O_RDONLY)),
        };
      } finally {
        fs.closeSync(both);
      }
    });
  } catch (error) {
    for (const fd of open) fs.closeSync(fd);
    throw error;
  } finally {
    await fs.promises.rm(dir, { recursive: true, force: true });
  }
}
