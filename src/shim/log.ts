// The shim's log. It goes through the bundle's log FIFO into containerd's own log, with few lines at info level. The latest
// lines of all levels are kept in memory; an error also writes those that were below the level. Logging never throws. If
// the descriptor is non-blocking it never waits either: lines that do not fit into the pipe are dropped and counted.

import fs from 'node:fs';
import type { Logger as Pino } from 'pino';
import { formatLine, textOf } from './log-line.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
type Fields = Readonly<Record<string, unknown>>;

/** A function that logs, with its controls. */
export interface Log {
  (level: LogLevel, message: string, fields?: Fields): void;
  /** From now on lines below `level` are only kept in memory. With containerd's -debug the level is at least `debug`. */
  setLevel(level: LogLevel): void;
  /** The last lines of every level, oldest first. */
  recent(): string[];
  /** Resolves when all lines so far are written or dropped. */
  flush(): Promise<void>;
}

export interface LogOptions {
  /** containerd's -debug flag. */
  readonly debug: boolean;
  /** Fields that every line has. */
  readonly fields: Fields;
  /** Where lines go. It should be non-blocking: otherwise a full pipe blocks the whole process. */
  readonly fd: number;
}

interface Line {
  readonly time: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Fields;
  written: boolean;
}

const RANK: Record<LogLevel, number> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50 };
const RING_LINES = 200;
/** How many of the lines kept in memory an error writes. */
const REPLAY_LINES = 30;
/** Limits the memory that messages and fields from the guest can take in the ring. */
const MAX_TEXT = 4096;

/** Writes whole lines. A line that cannot be written (the pipe is full, or nobody reads) is dropped and counted. */
function createOutput(fd: number): (line: string) => void {
  let dropped = 0;
  return (line) => {
    try {
      if (dropped > 0) {
        fs.writeSync(
          fd,
          `${formatLine(new Date().toISOString(), 'warn', 'log lines were dropped', { dropped })}\n`,
        );
        dropped = 0;
      }
      fs.writeSync(fd, `${line}\n`);
    } catch {
      dropped++;
    }
  };
}

/** pino writes JSON lines; containerd's log is logrus text. */
function createDestination(output: (line: string) => void): { write(json: string): void } {
  return {
    write(json) {
      const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
      output(formatLine(String(time), String(level), String(msg ?? ''), fields));
    },
  };
}

/** pino is loaded when the first line is written: it takes about 10 ms, which must not delay the first reply. */
async function loadPino(output: (line: string) => void, fields: Fields): Promise<Pino> {
  const { pino } = await import('pino');
  return pino(
    { base: fields, level: 'trace', timestamp: false, formatters: { level: (level) => ({ level }) } },
    createDestination(output),
  );
}

function clip(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined) return value;
  const text = textOf(value);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}

class Recorder {
  readonly #options: LogOptions;
  readonly #output: (line: string) => void;
  readonly #ring: Line[] = [];
  readonly #pending: Line[] = [];
  #threshold: number;
  #pino: Pino | undefined;
  #loading: Promise<void> | undefined;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#output = createOutput(options.fd);
    this.#threshold = options.debug ? RANK.debug : RANK.info;
    // If the process exits before pino is loaded, the reason must still be logged.
    process.once('exit', () => this.#writePlain());
  }

  log(level: LogLevel, message: string, fields: Fields = {}): void {
    const clipped = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, clip(value)]));
    const line: Line = {
      time: Date.now(),
      level,
      message: String(clip(message)),
      fields: clipped,
      written: false,
    };
    this.#ring.push(line);
    if (this.#ring.length > RING_LINES) this.#ring.shift();
    if (RANK[level] < this.#threshold) return;
    if (level === 'error') this.#replay();
    this.#emit(line);
  }

  setLevel(level: LogLevel): void {
    this.#threshold = Math.min(RANK[level], this.#options.debug ? RANK.debug : RANK.error);
  }

  recent(): string[] {
    return this.#ring.map((line) => this.#format(line));
  }

  async flush(): Promise<void> {
    await this.#loading;
  }

  /** Writes the lines before an error that were below the level at the time. */
  #replay(): void {
    const unwritten = this.#ring.slice(0, -1).filter((line) => !line.written);
    for (const line of unwritten) line.written = true;
    for (const line of unwritten.slice(-REPLAY_LINES)) this.#emit(line);
  }

  #emit(line: Line): void {
    line.written = true;
    if (this.#pino !== undefined) {
      this.#writePino(this.#pino, line);
      return;
    }
    this.#pending.push(line);
    if (this.#pending.length > RING_LINES) this.#pending.shift();
    this.#loading ??= loadPino(this.#output, this.#options.fields).then(
      (pino) => {
        this.#pino = pino;
        for (const one of this.#pending.splice(0)) this.#writePino(pino, one);
      },
      () => this.#writePlain(),
    );
  }

  #writePino(pino: Pino, line: Line): void {
    try {
      pino[line.level]({ time: new Date(line.time).toISOString(), ...line.fields }, line.message);
    } catch {
      // A field that cannot be serialized must not fail a container.
      this.#output(this.#format({ ...line, fields: {} }));
    }
  }

  #writePlain(): void {
    for (const line of this.#pending.splice(0)) this.#output(this.#format(line));
    this.#loading = undefined;
  }

  #format(line: Line): string {
    const fields = { ...this.#options.fields, ...line.fields };
    return formatLine(new Date(line.time).toISOString(), line.level, line.message, fields);
  }
}

/** Creates the log of this process. */
export function createLog(options: LogOptions): Log {
  const recorder = new Recorder(options);
  const log = (level: LogLevel, message: string, fields?: Fields): void =>
    recorder.log(level, message, fields);
  return Object.assign(log, {
    setLevel: (level: LogLevel) => recorder.setLevel(level),
    recent: () => recorder.recent(),
    flush: () => recorder.flush(),
  });
}
