// Owns one call on the server: its handler's context, its timeout, and its single end.

import { type CallEvent, publishEnd, publishStart, serverChannels } from './diagnostics.ts';
import type { CallContext, MethodKind, ReceivedMetadata } from './service.ts';
import { Code, TtrpcError } from './status.ts';
import { decodeMetadata } from './wire.ts';

/** A method that a server serves. */
export interface BoundHandler {
  readonly service: string;
  readonly method: string;
  readonly kind: MethodKind;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode: (message: unknown) => Uint8Array;
  /** Takes a message, or for `client-stream` and `bidi` an async iterable of them. */
  readonly handle: (input: unknown, context: CallContext) => unknown;
}

const noMetadata: ReceivedMetadata = new Map();
/** setTimeout fires a longer timer at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Bytes that a call may keep alive beyond its own. */
const chunkSlackBytes = 4096;

/** The bytes of the request that contains a call's metadata. */
export interface MetadataSource {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A call in progress, which is also its handler's context. */
export class ServerCall implements CallContext {
  readonly #target: BoundHandler;
  #metadataSource: MetadataSource | undefined;
  #metadata: ReceivedMetadata | undefined;
  #abort: AbortController | undefined;
  #abortReason: TtrpcError | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly streamId: number;
  readonly deadline: number | undefined;
  readonly #event: CallEvent | undefined;
  /** Whether the call was answered; whatever its handler still produces is dropped. */
  isOver = false;

  constructor(
    target: BoundHandler,
    streamId: number,
    timeoutNano: number,
    metadata: MetadataSource | undefined,
  ) {
    this.#target = target;
    this.streamId = streamId;
    this.#metadataSource = metadata;
    this.#event = publishStart(serverChannels, target, streamId);
    this.deadline = timeoutNano === 0 ? undefined : Date.now() + timeoutNano / 1e6;
  }

  get service(): string {
    return this.#target.service;
  }

  get method(): string {
    return this.#target.method;
  }

  get kind(): MethodKind {
    return this.#target.kind;
  }

  get metadata(): ReceivedMetadata {
    if (this.#metadata === undefined) {
      this.#metadata = this.#readMetadata();
    }
    return this.#metadata;
  }

  #readMetadata(): ReceivedMetadata {
    const source = this.#metadataSource;
    if (source === undefined) return noMetadata;
    try {
      return decodeMetadata(source.buffer, source.start, source.end);
    } catch (cause) {
      throw new TtrpcError(Code.InvalidArgument, `metadata cannot be decoded: ${String(cause)}`, { cause });
    }
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  /** Prepares for a longer life: a small request must not keep the large chunk that it arrived in alive. */
  keep(): void {
    const source = this.#metadataSource;
    if (source === undefined || this.#metadata !== undefined) return;
    const length = source.end - source.start;
    if (source.buffer.buffer.byteLength <= chunkSlackBytes + 4 * length) return;
    const buffer = Buffer.allocUnsafeSlow(length);
    source.buffer.copy(buffer, 0, source.start, source.end);
    this.#metadataSource = { buffer, start: 0, end: length };
  }

  /** Calls `onTimeout` when the call's timeout passes, if it has one. */
  startTimer(onTimeout: () => void): void {
    if (this.deadline === undefined) return;
    const ms = Math.ceil(this.deadline - Date.now());
    if (ms <= maxTimerMs) this.#timer = setTimeout(onTimeout, Math.max(ms, 0));
  }

  /** Marks the call as over, with the error that it ended with; returns false if it already was. */
  finish(error: TtrpcError | undefined): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#event !== undefined) publishEnd(serverChannels, this.#event, error);
    return true;
  }

  /** Tells the handler to stop. */
  abort(reason: TtrpcError): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }
}

export function deadlineError(): TtrpcError {
  return new TtrpcError(Code.DeadlineExceeded, 'time limit of the call exceeded');
}
