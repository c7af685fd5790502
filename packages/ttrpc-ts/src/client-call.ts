// Owns a client's pending calls: their timeout, signal, reply and stream of replies.

import { type CallEvent, clientChannels, publishEnd } from './diagnostics.ts';
import { Flag } from './frame.ts';
import type { ReceiveGate } from './receive-gate.ts';
import { ReceiveQueue } from './receive-queue.ts';
import type { CallOptions, Codec } from './service.ts';
import { Code, TtrpcError } from './status.ts';
import { decodeResponse } from './wire.ts';

/** What a call needs from its connection. */
export interface CallHost {
  readonly gate: ReceiveGate;
  /** The call is over; frames that still arrive for it are ignored. */
  forget(streamId: number): void;
}

/** Stops a call when it times out or its signal is aborted. */
class CallLimits {
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort: () => void;

  constructor(options: CallOptions, fail: (error: TtrpcError) => void) {
    const { signal, timeoutMs } = options;
    this.#signal = signal;
    this.#onAbort = () => fail(abortError(signal?.reason));
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (timeoutMs !== undefined && timeoutMs < maxTimerMs) {
      this.#timer = setTimeout(() => fail(timeoutError(timeoutMs)), timeoutMs);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** setTimeout fires a longer timer at once. */
const maxTimerMs = 2 ** 31;

export function timeoutError(timeoutMs: number): TtrpcError {
  return new TtrpcError(Code.DeadlineExceeded, `call exceeded its time limit of ${timeoutMs} ms`);
}

export function abortError(reason: unknown): TtrpcError {
  if (reason instanceof TtrpcError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new TtrpcError(Code.DeadlineExceeded, `call exceeded its time limit: ${reason.message}`, {
      cause: reason,
    });
  }
  return new TtrpcError(Code.Canceled, 'call was canceled by its caller', { cause: reason });
}

function limitsOf(
  options: CallOptions | undefined,
  fail: (error: TtrpcError) => void,
): CallLimits | undefined {
  if (options === undefined) return undefined;
  if (options.signal === undefined && options.timeoutMs === undefined) return undefined;
  return new CallLimits(options, fail);
}

export function malformed(what: string, cause: unknown): TtrpcError {
  return new TtrpcError(Code.Internal, `${what} cannot be decoded: ${String(cause)}`, { cause });
}

/** A pending call. It ends exactly once. */
export abstract class PendingCall {
  readonly #host: CallHost;
  readonly #id: number;
  readonly #limits: CallLimits | undefined;
  readonly #event: CallEvent | undefined;
  #isOver = false;
  /** Whether it sends a stream of requests. */
  sendsStream = false;
  /** Called at the end. */
  onOver: (() => void) | undefined;

  constructor(host: CallHost, id: number, options: CallOptions | undefined, event: CallEvent | undefined) {
    this.#host = host;
    this.#id = id;
    this.#event = event;
    this.#limits = limitsOf(options, (error) => this.fail(error, true));
  }

  /** Whether the peer sends a stream of replies. */
  abstract readonly isStream: boolean;

  abstract onResponse(buffer: Buffer, start: number, end: number): void;
  /** Returns false for a frame without any meaning. */
  abstract onData(flags: number, buffer: Buffer, start: number, end: number): boolean;
  /** Ends the call with an error, after the unread replies or (`discard`) instead of them. */
  abstract fail(error: TtrpcError, discard: boolean): void;

  protected finish(error: TtrpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#host.forget(this.#id);
    this.#limits?.clear();
    if (this.#event !== undefined) publishEnd(clientChannels, this.#event, error);
    this.onOver?.();
  }
}

/** A call with one reply: unary, or the reply to a stream of requests. */
export class SingleReplyCall<T> extends PendingCall {
  override readonly isStream = false;
  readonly #codec: Codec<T, never>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: TtrpcError) => void;

  constructor(
    host: CallHost,
    id: number,
    codec: Codec<T, never>,
    options: CallOptions | undefined,
    event: CallEvent | undefined,
    resolve: (value: T) => void,
    reject: (error: TtrpcError) => void,
  ) {
    super(host, id, options, event);
    this.#codec = codec;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override onResponse(buffer: Buffer, start: number, end: number): void {
    let value: T;
    try {
      const reply = decodeResponse(buffer, start, end);
      if (reply instanceof TtrpcError) {
        this.fail(reply);
        return;
      }
      value = this.#codec.decode(reply);
    } catch (cause) {
      this.fail(malformed('reply', cause));
      return;
    }
    this.finish(undefined);
    this.#resolve(value);
  }

  override onData(): boolean {
    this.fail(new TtrpcError(Code.Internal, 'peer sent stream data to a call with a single reply'));
    return true;
  }

  override fail(error: TtrpcError): void {
    this.finish(error);
    this.#reject(error);
  }
}

/** A call with a stream of replies. */
export class ReplyStreamCall<T> extends PendingCall {
  override readonly isStream = true;
  readonly replies: ReceiveQueue<T>;

  constructor(
    host: CallHost,
    id: number,
    codec: Codec<T, never>,
    options: CallOptions | undefined,
    event: CallEvent | undefined,
  ) {
    super(host, id, options, event);
    this.replies = new ReceiveQueue<T>(codec, host.gate, {
      undecodable: Code.Internal,
      onQueueError: (error) => this.finish(error),
      onReaderLeft: () => this.finish(new TtrpcError(Code.Canceled, 'reader left the stream')),
    });
  }

  override onResponse(buffer: Buffer, start: number, end: number): void {
    let reply: Buffer | TtrpcError;
    try {
      reply = decodeResponse(buffer, start, end);
    } catch (cause) {
      reply = malformed('reply', cause);
    }
    if (reply instanceof TtrpcError) {
      this.fail(reply, false);
      return;
    }
    // A peer may send its last message in the response.
    if (reply.length > 0) this.replies.push(reply);
    this.finish(undefined);
    this.replies.end();
  }

  override onData(flags: number, buffer: Buffer, start: number, end: number): boolean {
    const isMessage = (flags & Flag.noData) === 0;
    const isEnd = (flags & Flag.remoteClosed) !== 0;
    if (isMessage) this.replies.push(buffer.subarray(start, end));
    if (isEnd) {
      this.finish(undefined);
      this.replies.end();
    }
    return isMessage || isEnd;
  }

  override fail(error: TtrpcError, discard: boolean): void {
    this.finish(error);
    this.replies.fail(error, discard);
  }
}
