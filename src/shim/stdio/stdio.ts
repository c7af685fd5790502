// The stdio of one process: connects what containerd named in Create or Exec to the guest's streams.

import type { GuestStreams, StdioPaths } from '../../sandbox/process.ts';
import { type BinaryLogger, LOGGER_LIMITS, type LoggerLimits, startBinaryLogger } from './binary-logger.ts';
import { Pump } from './pump.ts';
import { DiscardSink, openFileSink, openPathSink, type Sink } from './sink.ts';
import { Stdin } from './stdin.ts';
import { StdioError } from './stdio-error.ts';

/** The owner of the streams, as a `binary://` logger gets it. */
export interface StdioOwner {
  /** The container's id, also for an exec. */
  readonly id: string;
  readonly namespace: string;
}

export interface StdioOptions {
  /** Called when a destination fails while the process runs (disk full, logger gone); its output is dropped from then on. */
  readonly onBroken?: (stream: 'stdout' | 'stderr', error: unknown) => void;
  /** How long a FIFO without a reader stays open after the end of the process. Default 5 s. */
  readonly lingerMs?: number;
  readonly loggerLimits?: LoggerLimits;
  /** Called with the pid of a `binary://` logger, which may outlive the shim until it has read its pipes. */
  readonly onLogger?: (pid: number) => Promise<void>;
}

interface Parts {
  stdin: Stdin | undefined;
  stdout: Sink | undefined;
  /** Undefined with a terminal, which has no stderr to read. */
  stderr: Sink | undefined;
  logger: BinaryLogger | undefined;
}

/** Parses the scheme; undefined means a plain path. */
function parseUri(stream: 'stdin' | 'stdout' | 'stderr', value: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return undefined;
  try {
    return new URL(value);
  } catch (error) {
    throw new StdioError(stream, value, 'is not a valid URI', error);
  }
}

async function openOutput(
  stream: 'stdout' | 'stderr',
  paths: StdioPaths,
  owner: StdioOwner,
  parts: Parts,
  options: StdioOptions,
): Promise<Sink> {
  const value = paths[stream];
  if (value === '') return new DiscardSink();
  const uri = parseUri(stream, value);
  switch (uri?.protocol) {
    case undefined:
      return openPathSink(stream, value, options.lingerMs);
    case 'fifo:':
      return openPathSink(stream, decodeURIComponent((uri as URL).pathname), options.lingerMs);
    case 'file:':
      return openFileSink(stream, uri as URL);
    case 'binary:':
      // Both streams name the same program: it runs once, with a pipe for each stream.
      parts.logger ??= await startBinaryLogger(
        stream,
        uri as URL,
        owner,
        options.loggerLimits ?? LOGGER_LIMITS,
      );
      await options.onLogger?.(parts.logger.pid);
      return parts.logger[stream];
    default:
      throw new StdioError(
        stream,
        value,
        `scheme ${(uri as URL).protocol}// is not supported: use a FIFO path, file:// or binary://`,
      );
  }
}

function openInput(value: string): Stdin | undefined {
  if (value === '') return undefined;
  const uri = parseUri('stdin', value);
  if (uri === undefined) return Stdin.open(value);
  if (uri.protocol === 'fifo:') return Stdin.open(decodeURIComponent(uri.pathname));
  throw new StdioError('stdin', value, `scheme ${uri.protocol}// is not supported: use a FIFO path`);
}

async function closeParts(parts: Parts): Promise<void> {
  parts.stdin?.close();
  await Promise.all([parts.stdout?.close(), parts.stderr?.close()]);
  // It has time limits of its own, and no exit waits for it.
  void parts.logger?.stop();
}

/**
 * Opens what `paths` name, without waiting for a client.
 * @throws StdioError with nothing left open (missing FIFO, unknown scheme, logger that does not start).
 */
export async function openStdio(
  paths: StdioPaths,
  owner: StdioOwner,
  options: StdioOptions = {},
): Promise<Stdio> {
  const parts: Parts = { stdin: undefined, stdout: undefined, stderr: undefined, logger: undefined };
  try {
    parts.stdin = openInput(paths.stdin);
    parts.stdout = await openOutput('stdout', paths, owner, parts, options);
    if (!paths.terminal) parts.stderr = await openOutput('stderr', paths, owner, parts, options);
    return new Stdio(parts, options);
  } catch (error) {
    await closeParts(parts);
    throw error;
  }
}

/** The open stdio of one process. Made by `openStdio`. */
export class Stdio {
  readonly #parts: Parts;
  readonly #options: StdioOptions;
  #pumps: Pump[] = [];
  #streams: GuestStreams | undefined;
  #finished: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts, options: StdioOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Starts copying. To be called once, when the process exists in the guest. */
  start(streams: GuestStreams): void {
    if (this.#closing !== undefined) return;
    this.#streams = streams;
    const { stdin, stdout, stderr } = this.#parts;
    if (stdin !== undefined) void stdin.run(streams);
    // As with /dev/null: a process that reads although nobody writes gets EOF instead of waiting for ever.
    else if (stderr !== undefined) void streams.closeStdin().catch(() => undefined);
    const running = [
      this.#startPump('stdout', stdout, (length) => streams.readStdout(length)),
      this.#startPump('stderr', stderr, (length) => streams.readStderr(length)),
    ];
    // stdin stays open: a process may close its outputs and keep reading.
    this.#finished = Promise.all(running).then(() => {
      void this.#parts.logger?.stop();
    });
  }

  /** CloseIO: what the client has written is delivered, then the guest's stdin is closed. Before `start` it is remembered. */
  closeStdin(): void {
    this.#parts.stdin?.requestClose();
  }

  /**
   * Waits until all output is delivered: 'drained'. Resolves with 'stalled' if nothing came from the guest for `quietMs` (by
   * default `stalledMs`; a descendant keeps the output open), if the reader took nothing for `stalledMs`, or after `limitMs`.
   * Copying continues until `close()`.
   */
  drain(limits: { quietMs?: number; stalledMs: number; limitMs: number }): Promise<'drained' | 'stalled'> {
    if (this.#finished === undefined || this.#pumps.every((pump) => pump.finished))
      return Promise.resolve('drained');
    const finished = this.#finished;
    const { stalledMs, limitMs, quietMs = stalledMs } = limits;
    return new Promise((resolve) => {
      const end = performance.now() + limitMs;
      let seen = this.#progress();
      let movedAt = performance.now();
      const check = (): void => {
        const now = performance.now();
        const progress = this.#progress();
        if (progress !== seen) {
          seen = progress;
          movedAt = now;
        }
        const patienceMs = this.#pumps.some((pump) => pump.isDelivering) ? stalledMs : quietMs;
        if (now - movedAt >= patienceMs || now >= end) finish('stalled');
      };
      const timer = setInterval(check, Math.max(5, Math.min(quietMs / 4, limitMs / 4, 250)));
      const finish = (result: 'drained' | 'stalled'): void => {
        clearInterval(timer);
        resolve(result);
      };
      void finished.then(() => finish('drained'));
    });
  }

  /**
   * Closes every descriptor at once; undelivered output is lost. But a drained FIFO that no client has opened yet is kept
   * a little longer, and a logger is ended in the background. Idempotent.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      for (const pump of this.#pumps) pump.stop();
      // If the VM is gone, this fails at once.
      if (this.#pumps.some((pump) => !pump.finished)) void this.#streams?.release().catch(() => undefined);
      this.#closing = closeParts(this.#parts);
    }
    return this.#closing;
  }

  #progress(): number {
    return this.#pumps.reduce((sum, pump) => sum + pump.progress, 0);
  }

  #startPump(
    stream: 'stdout' | 'stderr',
    sink: Sink | undefined,
    read: (length: number) => Promise<Uint8Array>,
  ): Promise<void> {
    if (sink === undefined) return Promise.resolve();
    const pump = new Pump(sink, (error) => this.#options.onBroken?.(stream, error));
    this.#pumps.push(pump);
    return pump.run(read);
  }
}
