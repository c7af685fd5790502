// Owns one accepted connection: the rules for stream ids, dispatch to handlers, replies and streams.

import type { Duplex } from 'node:stream';
import { Channel, type ChannelOwner } from './channel.ts';
import { emptyBuffer, Flag, FrameType } from './frame.ts';
import type { ConnectionLimits } from './limits.ts';
import { ReceiveQueue } from './receive-queue.ts';
import type { Router } from './router.ts';
import { type Sending, sendStream } from './send-stream.ts';
import { type BoundHandler, deadlineError, ServerCall } from './server-call.ts';
import { Code, TtrpcError } from './status.ts';
import { newRequestEnvelope, type RequestEnvelope } from './wire.ts';

/** What a connection needs from its server. */
export interface ServerHost {
  readonly limits: ConnectionLimits;
  readonly maxConcurrentCalls: number;
  readonly router: Router;
  onConnectionClosed(connection: ServerConnection): void;
}

interface ActiveCall {
  readonly call: ServerCall;
  requests: ReceiveQueue<unknown> | undefined;
  replies: Sending | undefined;
}

/** One connection of a server. */
export class ServerConnection {
  readonly #host: ServerHost;
  readonly #channel: Channel;
  readonly #active = new Map<number, ActiveCall>();
  readonly #envelope: RequestEnvelope = newRequestEnvelope();
  /** Handlers that have not returned, including those whose call is already over. */
  #running = 0;
  #lastId = 0;
  /** Set when no more calls are accepted. */
  #graceMs: number | undefined;
  /** Whether reading requests is paused because replies cannot be sent. */
  #held = false;

  constructor(duplex: Duplex, host: ServerHost) {
    this.#host = host;
    const owner: ChannelOwner = {
      onFrame: (id, type, flags, buffer, start, end) => this.#onFrame(id, type, flags, buffer, start, end),
      onOversized: (id, _type, length) => this.#onOversized(id, length),
      onClosed: (error) => this.#onClosed(error),
    };
    this.#channel = new Channel(duplex, owner, host.limits);
  }

  /** Accepts no more calls and closes `graceMs` after those in progress are answered. */
  drain(graceMs: number): void {
    this.#graceMs = graceMs;
    this.#endIfDrained();
  }

  /** Closes at once; the signals of running handlers are aborted. */
  close(error: TtrpcError): void {
    this.#channel.close(error);
  }

  #onFrame(id: number, type: number, flags: number, buffer: Buffer, start: number, end: number): void {
    if ((id & 1) === 0) {
      this.#refuse(id, Code.InvalidArgument, 'stream id must be odd');
    } else if (type === FrameType.request) {
      this.#onRequest(id, flags, buffer, start, end);
    } else if (type === FrameType.data) {
      this.#onData(id, flags, buffer, start, end);
    } else if (!this.#channel.strays.charge(end - start)) {
      // Other types are reserved for later versions of the protocol: a few are ignored.
      this.#channel.closeForStrays();
    }
    if (this.#channel.writer.isBlocked) this.#holdUntilDrained();
  }

  #holdUntilDrained(): void {
    if (this.#held) return;
    this.#held = true;
    const { gate, writer } = this.#channel;
    gate.setWriteBlocked(true);
    void writer.drained().then(() => {
      this.#held = false;
      gate.setWriteBlocked(false);
    });
  }

  #onRequest(id: number, flags: number, buffer: Buffer, start: number, end: number): void {
    if (id <= this.#lastId) {
      this.#refuse(id, Code.InvalidArgument, 'stream id cannot be used again and must increase');
      return;
    }
    this.#lastId = id;
    const envelope = this.#envelope;
    const target = this.#host.router.route(envelope, buffer, start, end);
    if (target instanceof TtrpcError) {
      this.#channel.writeFailure(id, target);
      return;
    }
    if (this.#graceMs !== undefined) {
      this.#refuse(id, Code.Unavailable, 'server is shutting down');
      return;
    }
    if (this.#running >= this.#host.maxConcurrentCalls) {
      this.#refuse(id, Code.ResourceExhausted, 'too many calls in progress on this connection');
      return;
    }
    if (envelope.timeoutNano < 0) {
      this.#channel.writeFailure(id, deadlineError());
      return;
    }
    const metadata = envelope.hasMetadata ? { buffer, start, end } : undefined;
    const call = new ServerCall(target, id, envelope.timeoutNano, metadata);
    this.#dispatch(target, call, flags, envelope.payload);
  }

  #dispatch(target: BoundHandler, call: ServerCall, flags: number, payload: Buffer): void {
    let input: unknown;
    let active: ActiveCall | undefined;
    if (target.kind === 'unary' || target.kind === 'server-stream') {
      try {
        input = target.decode(payload);
      } catch (cause) {
        this.#refuse(
          call.streamId,
          Code.InvalidArgument,
          `request message cannot be decoded: ${String(cause)}`,
        );
        return;
      }
    } else {
      active = this.#register(call);
      input = this.#openRequests(target, active, flags, payload);
    }
    this.#running++;
    let output: unknown;
    try {
      output = target.handle(input, call);
    } catch (error) {
      this.#settle(call, error);
      return;
    }
    if (target.kind === 'server-stream' || target.kind === 'bidi') {
      this.#sendReplies(target, active ?? this.#register(call), output as AsyncIterable<unknown>);
    } else if (isThenable(output)) {
      active ??= this.#register(call);
      output.then(
        (message) => this.#reply(target, call, message),
        (error: unknown) => this.#settle(call, error),
      );
    } else {
      this.#reply(target, call, output);
    }
  }

  /** Registers the call, so that later frames, its timeout and the end of the connection find it. */
  #register(call: ServerCall): ActiveCall {
    const active: ActiveCall = { call, requests: undefined, replies: undefined };
    this.#active.set(call.streamId, active);
    call.keep();
    call.startTimer(() => this.#stop(active, deadlineError()));
    return active;
  }

  #openRequests(
    target: BoundHandler,
    active: ActiveCall,
    flags: number,
    payload: Buffer,
  ): ReceiveQueue<unknown> {
    const codec = { encode: target.encode, decode: target.decode };
    const requests = new ReceiveQueue<unknown>(codec, this.#channel.gate, {
      undecodable: Code.InvalidArgument,
      onQueueError: (error) => this.#stop(active, error),
      onReaderLeft: () => undefined,
    });
    active.requests = requests;
    if (payload.length > 0) requests.push(payload);
    if ((flags & Flag.remoteOpen) === 0) requests.end();
    return requests;
  }

  #onData(id: number, flags: number, buffer: Buffer, start: number, end: number): void {
    const active = this.#active.get(id);
    if (active === undefined) {
      this.#refuse(id, Code.InvalidArgument, 'stream is not active');
      return;
    }
    const { requests, call } = active;
    const isClose = (flags & Flag.remoteClosed) !== 0;
    const isEmpty = (flags & Flag.noData) !== 0;
    if (requests === undefined) {
      if (isEmpty) {
        if (!this.#channel.strays.charge(0)) this.#channel.closeForStrays();
        return;
      }
      const error = new TtrpcError(Code.InvalidArgument, `${call.method} takes no stream of requests`);
      this.#stop(active, error);
      return;
    }
    if (!isEmpty) {
      if (requests.isEnded) {
        this.#stop(active, new TtrpcError(Code.InvalidArgument, 'data after the end of the stream'));
        return;
      }
      requests.push(buffer.subarray(start, end));
    }
    if (isClose) requests.end();
  }

  #sendReplies(target: BoundHandler, active: ActiveCall, output: AsyncIterable<unknown>): void {
    const { call } = active;
    const replies = sendStream(this.#channel, call.streamId, target, output);
    active.replies = replies;
    replies.done.then(
      () => {
        if (call.finish(undefined)) {
          this.#channel.writeData(call.streamId, Flag.remoteClosed | Flag.noData, emptyBuffer);
        }
        this.#forget(call);
      },
      (error: unknown) => this.#settle(call, error),
    );
  }

  #reply(target: BoundHandler, call: ServerCall, message: unknown): void {
    if (!call.isOver) {
      try {
        this.#channel.writeReply(call.streamId, target.encode(message));
        call.finish(undefined);
      } catch (error) {
        this.#settle(call, error instanceof TtrpcError ? error : unencodable(error));
        return;
      }
    }
    this.#forget(call);
  }

  /** Ends a call whose handler has failed. */
  #settle(call: ServerCall, error: unknown): void {
    const failure = TtrpcError.from(error);
    if (call.finish(failure)) this.#channel.writeFailure(call.streamId, failure);
    this.#forget(call);
  }

  /** Ends a call whose handler is still running: answers for it and tells it to stop. */
  #stop(active: ActiveCall, error: TtrpcError): void {
    const { call, requests, replies } = active;
    if (!call.finish(error)) return;
    this.#channel.writeFailure(call.streamId, error);
    this.#active.delete(call.streamId);
    call.abort(error);
    requests?.fail(error, true);
    replies?.stop();
  }

  /** A handler has returned. */
  #forget(call: ServerCall): void {
    this.#running--;
    const active = this.#active.get(call.streamId);
    if (active !== undefined) {
      this.#active.delete(call.streamId);
      // Messages that nobody will read must not hold up the connection.
      void active.requests?.return();
    }
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (this.#graceMs !== undefined && this.#running === 0) this.#channel.endGently(this.#graceMs);
  }

  #onOversized(id: number, length: number): void {
    const error = new TtrpcError(
      Code.ResourceExhausted,
      `message of ${length} bytes exceeds the limit of 4 MiB`,
    );
    const active = this.#active.get(id);
    if (active !== undefined) this.#stop(active, error);
    else this.#channel.writeFailure(id, error);
  }

  #onClosed(error: TtrpcError): void {
    for (const { call, requests, replies } of this.#active.values()) {
      call.finish(error);
      call.abort(error);
      requests?.fail(error, true);
      replies?.stop();
    }
    this.#active.clear();
    this.#host.onConnectionClosed(this);
  }

  /** Answers on the given stream id, even if that is what is wrong, so that the peer knows which one it was. */
  #refuse(id: number, code: number, message: string): void {
    this.#channel.writeFailure(id, new TtrpcError(code, message));
  }
}

function unencodable(cause: unknown): TtrpcError {
  return new TtrpcError(Code.Internal, `reply cannot be encoded: ${String(cause)}`, { cause });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
