/** Client of QMP, QEMU's machine protocol: greeting, commands with timeouts, events. One JSON object per line. */
import type { Duplex } from 'node:stream';
import { Rate } from '../../base/rate.ts';

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A command that QEMU refused (`className` is its error class) or did not answer ('Closed', 'Timeout', 'Unsent'). */
export class QmpError extends Error {
  readonly command: string;
  readonly className: string;

  constructor(command: string, className: string, description: string) {
    super(`QMP ${command}: ${description}`);
    this.name = 'QmpError';
    this.command = command;
    this.className = className;
  }
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: QmpError) => void;
  readonly timer: NodeJS.Timeout;
}

/** QEMU is not trusted (the guest may have taken it over): it may neither fill our memory nor keep us busy. */
const MAX_LINE_BYTES = 256 * 1024;
/** The parts of a line are concatenated when there are this many. */
const MAX_PARTS = 64;
/** Limit of what is not an answer to a command, in units of 1 KiB. Genuine events are rare. */
const UNASKED = { perSecond: 20, burst: 1_000 };
const PORTION_BYTES = 1024;

const DEFAULT_TIMEOUT_MS = 5000;

export interface ExecuteOptions {
  readonly timeoutMs?: number;
  /** Sends the command other than by writing to the channel. */
  readonly send?: (line: string) => Promise<void>;
}

export class QmpClient {
  /** Settles when the channel is closed, with the reason; never rejects. */
  readonly closed: Promise<string>;
  readonly channel: Duplex;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeting = Promise.withResolvers<void>();
  readonly #closing = Promise.withResolvers<string>();
  readonly #unasked = new Rate(UNASKED);
  #buffer: Buffer[] = [];
  #buffered = 0;
  #nextId = 1;
  #closedBy: string | undefined;
  #breach: string | undefined;

  constructor(channel: Duplex) {
    this.channel = channel;
    this.closed = this.#closing.promise;
    this.#greeting.promise.catch(() => undefined); // seen by whoever awaits it
    channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    channel.on('error', (error) => this.close(error.message));
    channel.on('end', () => this.close('QEMU closed the channel'));
    channel.on('close', () => this.close('the channel is closed'));
  }

  /** How QEMU broke the protocol, if that closed the channel. */
  get breach(): string | undefined {
    return this.#breach;
  }

  /** Waits for the greeting and leaves capabilities negotiation, after which commands work. @throws QmpError */
  async connect(options: ExecuteOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => {
      this.#greeting.reject(new QmpError('greeting', 'Timeout', `nothing came within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      await this.#greeting.promise;
    } finally {
      clearTimeout(timer);
    }
    await this.execute('qmp_capabilities', undefined, options);
  }

  /**
   * Runs one command and returns its result. `timeoutMs` is 5 s by default.
   * @throws QmpError
   */
  execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options: ExecuteOptions = {},
  ): Promise<unknown> {
    if (this.#closedBy !== undefined) return Promise.reject(new QmpError(command, 'Closed', this.#closedBy));
    const id = this.#nextId++;
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new QmpError(command, 'Timeout', `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { command, resolve, reject, timer });
      const line = JSON.stringify({ execute: command, arguments: args, id });
      if (options.send === undefined) this.channel.write(`${line}\n`);
      else options.send(line).catch((error: Error) => this.#fail(id, 'Unsent', error.message));
    });
  }

  /** Calls the listener for each event, until the returned function is called. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Closes the channel; pending commands fail with the reason. */
  close(reason = 'closed by us'): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    this.channel.destroy();
    this.#buffer = [];
    this.#greeting.reject(new QmpError('greeting', 'Closed', reason));
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new QmpError(pending.command, 'Closed', reason));
    }
    this.#pending.clear();
    this.#listeners.clear();
    this.#closing.resolve(reason);
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#buffer, rest.subarray(0, end)]).toString('utf8');
      this.#buffer = [];
      this.#buffered = 0;
      rest = rest.subarray(end + 1);
      this.#handle(line);
      if (this.#closedBy !== undefined) return;
    }
    if (rest.length === 0) return;
    this.#buffer.push(rest);
    if (this.#buffer.length > MAX_PARTS) this.#buffer = [Buffer.concat(this.#buffer)];
    this.#buffered += rest.length;
    if (this.#buffered > MAX_LINE_BYTES)
      this.#giveUp(`QEMU sent a line of more than ${MAX_LINE_BYTES} bytes`);
  }

  #giveUp(breach: string): void {
    if (this.#closedBy === undefined) this.#breach = breach;
    this.close(breach);
  }

  #handle(line: string): void {
    let message: unknown;
    try {
      message = line.trim() === '' ? undefined : JSON.parse(line);
    } catch {
      this.#giveUp('QEMU sent something that is not JSON');
      return;
    }
    if (isRecord(message) && typeof message.id === 'number' && this.#answer(message.id, message)) return;
    if (!this.#unasked.take(1 + Math.floor(line.length / PORTION_BYTES))) {
      this.#giveUp('QEMU sent events without end');
      return;
    }
    if (!isRecord(message)) return;
    if ('QMP' in message) this.#greeting.resolve();
    else if (typeof message.event === 'string') this.#emit(message.event, message.data);
  }

  #emit(event: string, data: unknown): void {
    for (const listener of this.#listeners) listener({ event, data: isRecord(data) ? data : {} });
  }

  #fail(id: number, className: string, reason: string): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.reject(new QmpError(pending.command, className, reason));
  }

  /** Returns false when nobody awaits it: the command has timed out. */
  #answer(id: number, message: Readonly<Record<string, unknown>>): boolean {
    const pending = this.#pending.get(id);
    if (!pending) return false;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (!isRecord(message.error)) {
      pending.resolve(message.return);
      return true;
    }
    const { class: className, desc } = message.error;
    pending.reject(new QmpError(pending.command, String(className), String(desc)));
    return true;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
