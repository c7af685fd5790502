// Owns the client side of a connection: stream ids, calls in progress, and their end with the connection.

import type { Duplex } from 'node:stream';
import { Channel, type ChannelOwner } from './channel.ts';
import {
  abortError,
  type CallHost,
  type PendingCall,
  ReplyStreamCall,
  SingleReplyCall,
  timeoutError,
} from './client-call.ts';
import { clientChannels, publishStart } from './diagnostics.ts';
import { emptyBuffer, Flag, FrameType } from './frame.ts';
import type { ClientInterceptor } from './interceptor.ts';
import type { ConnectionLimits } from './limits.ts';
import { sendStream } from './send-stream.ts';
import type { CallOptions, MethodKind, MethodSpec } from './service.ts';
import { Code, TtrpcError } from './status.ts';
import { encodeRequestTail, requestPayloadTag } from './wire.ts';

/** Options of a {@link Connection}. */
export interface ConnectionOptions {
  /** Wrapped around every call, the first one outermost. */
  readonly interceptors?: readonly ClientInterceptor[];
  readonly limits?: ConnectionLimits;
}

/** @internal A method, with the bytes that every request for it begins with. */
export interface BoundMethod {
  readonly service: string;
  readonly method: string;
  readonly kind: MethodKind;
  readonly spec: MethodSpec<MethodKind, unknown, unknown, never, never>;
  readonly route: Buffer;
}

const lastStreamId = 0xffffffff;

/**
 * The client side of one ttrpc connection, over any Duplex: a unix or TCP socket, a virtio-serial port, one end of an
 * in-memory pair. Any number of calls may be in progress at once.
 *
 * The Duplex may still be connecting. When it ends, fails or is closed, every call in progress rejects with the same
 * `Unavailable` error (`ResourceExhausted` when it was closed because of what the peer sent, see `limits.strayFrames`).
 * There is no reconnecting; create a new Connection.
 */
export class Connection {
  readonly #channel: Channel;
  readonly #calls = new Map<number, PendingCall>();
  readonly #host: CallHost;
  #nextId = 1;
  /** The stream whose frame is being handled; a call that ends meanwhile was ended by its peer. */
  #handling = 0;
  #closeError: TtrpcError | undefined;
  /** @internal */
  readonly interceptors: readonly ClientInterceptor[];
  /** Resolves when the connection has closed, for whatever reason; see {@link closeError}. */
  readonly closed: Promise<void>;

  constructor(duplex: Duplex, options: ConnectionOptions = {}) {
    this.interceptors = options.interceptors ?? [];
    let resolveClosed: () => void;
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    const owner: ChannelOwner = {
      onFrame: (id, type, flags, buffer, start, end) => this.#onFrame(id, type, flags, buffer, start, end),
      onOversized: (id, _type, length) => this.#onOversized(id, length),
      onClosed: (error) => {
        this.#onClosed(error);
        resolveClosed();
      },
    };
    this.#channel = new Channel(duplex, owner, options.limits);
    this.#host = { gate: this.#channel.gate, forget: (id) => this.#forget(id) };
  }

  /** Why the connection has closed; undefined while it is up. */
  get closeError(): TtrpcError | undefined {
    return this.#closeError;
  }

  /** How many calls are in progress. */
  get activeCalls(): number {
    return this.#calls.size;
  }

  /** Whether the peer reads too slowly for what was sent (`limits.writeBytes`); better wait for {@link drained}. */
  get isBlocked(): boolean {
    return this.#channel.writer.isBlocked;
  }

  /** Resolves when there is room again, or the connection has closed. Then check {@link isBlocked} again. */
  drained(): Promise<void> {
    return this.#channel.writer.drained();
  }

  /** Closes the connection at once; calls in progress reject with `Unavailable`. Idempotent. */
  close(): void {
    this.#channel.close(new TtrpcError(Code.Unavailable, 'ttrpc connection closed by this side'));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Calls a method with one request and one reply. */
  unary(method: BoundMethod, request: unknown, options: CallOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const payload = encodeMessage(method, request);
      const id = this.#send(method, 0, payload, options);
      const { response } = method.spec;
      const event = publishStart(clientChannels, method, id);
      const call = new SingleReplyCall(this.#host, id, response, options, event, resolve, reject);
      this.#calls.set(id, call);
    });
  }

  /** @internal Calls a method with many requests and one reply. */
  clientStream(
    method: BoundMethod,
    requests: AsyncIterable<unknown>,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#send(method, Flag.remoteOpen, emptyBuffer, options);
      const { response } = method.spec;
      const event = publishStart(clientChannels, method, id);
      const call = new SingleReplyCall(this.#host, id, response, options, event, resolve, reject);
      this.#calls.set(id, call);
      this.#sendRequests(method, id, call, requests);
    });
  }

  /** @internal Calls a method with one request and many replies. */
  serverStream(
    method: BoundMethod,
    request: unknown,
    options: CallOptions | undefined,
  ): AsyncIterableIterator<unknown> {
    return this.#openReplies(method, Flag.remoteClosed, () => encodeMessage(method, request), options)
      .replies;
  }

  /** @internal Calls a method with many requests and many replies. */
  bidi(
    method: BoundMethod,
    requests: AsyncIterable<unknown>,
    options: CallOptions | undefined,
  ): AsyncIterableIterator<unknown> {
    const call = this.#openReplies(method, Flag.remoteOpen, () => emptyBuffer, options);
    if (call.id !== 0) this.#sendRequests(method, call.id, call.pending, requests);
    return call.replies;
  }

  #openReplies(
    method: BoundMethod,
    flags: number,
    encode: () => Uint8Array,
    options: CallOptions | undefined,
  ): { id: number; pending: ReplyStreamCall<unknown>; replies: AsyncIterableIterator<unknown> } {
    try {
      const id = this.#send(method, flags, encode(), options);
      const event = publishStart(clientChannels, method, id);
      const pending = new ReplyStreamCall(this.#host, id, method.spec.response, options, event);
      this.#calls.set(id, pending);
      return { id, pending, replies: pending.replies };
    } catch (error) {
      // A stream fails on its reader, like any other failure of the call.
      const pending = new ReplyStreamCall(this.#host, 0, method.spec.response, undefined, undefined);
      pending.fail(TtrpcError.from(error), false);
      return { id: 0, pending, replies: pending.replies };
    }
  }

  /** Writes the request frame and returns its stream id. Throws what makes the call impossible. */
  #send(method: BoundMethod, flags: number, payload: Uint8Array, options: CallOptions | undefined): number {
    if (this.#closeError !== undefined) throw this.#closeError;
    let tail = emptyBuffer;
    if (options !== undefined) {
      const { signal, timeoutMs, metadata } = options;
      if (signal?.aborted) throw abortError(signal.reason);
      if (timeoutMs !== undefined && !(timeoutMs > 0)) throw timeoutError(timeoutMs);
      if (timeoutMs !== undefined || metadata !== undefined) tail = encodeRequestTail(timeoutMs, metadata);
    }
    const id = this.#nextId;
    if (id > lastStreamId) {
      throw new TtrpcError(Code.Unavailable, 'connection has used up its stream ids; open a new one');
    }
    this.#channel.writer.write(id, FrameType.request, flags, method.route, requestPayloadTag, payload, tail);
    this.#nextId = id + 2;
    return id;
  }

  #sendRequests(
    method: BoundMethod,
    id: number,
    call: SingleReplyCall<unknown> | ReplyStreamCall<unknown>,
    requests: AsyncIterable<unknown>,
  ): void {
    const sending = sendStream(this.#channel, id, method.spec.request, requests);
    call.sendsStream = true;
    call.onOver = () => sending.stop();
    sending.done.then(
      (completed) => {
        // A frame without data cannot fail.
        if (completed) this.#channel.writeData(id, Flag.remoteClosed | Flag.noData, emptyBuffer);
      },
      (error: unknown) => {
        if (this.#calls.has(id)) call.fail(TtrpcError.from(error), false);
      },
    );
  }

  #onFrame(id: number, type: number, flags: number, buffer: Buffer, start: number, end: number): void {
    const call = this.#calls.get(id);
    let isExpected = false;
    if (call === undefined) {
      // What a peer still sends for a call that was canceled here is ignored.
      isExpected = this.#channel.strays.admit(id, type, flags, end - start);
    } else {
      this.#handling = id;
      if (type === FrameType.response) {
        call.onResponse(buffer, start, end);
        isExpected = true;
      } else if (type === FrameType.data) isExpected = call.onData(flags, buffer, start, end);
      this.#handling = 0;
      isExpected ||= this.#channel.strays.charge(end - start);
    }
    if (!isExpected) this.#channel.closeForStrays();
  }

  #onOversized(id: number, length: number): void {
    const message = `peer sent a message of ${length} bytes, over the limit of 4 MiB`;
    this.#handling = id;
    this.#calls.get(id)?.fail(new TtrpcError(Code.ResourceExhausted, message), false);
    this.#handling = 0;
    if (!this.#channel.strays.charge(length)) this.#channel.closeForStrays();
  }

  #forget(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    const { strays } = this.#channel;
    if (call.sendsStream) strays.expectLate(id, 'refusals');
    else if (id !== this.#handling) strays.expectLate(id, call.isStream ? 'stream' : 'answer');
  }

  #onClosed(error: TtrpcError): void {
    this.#closeError = error;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(error, false);
  }
}

function encodeMessage(method: BoundMethod, message: unknown): Uint8Array {
  return method.spec.request.encode(message as never);
}
