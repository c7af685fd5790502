// Owns interceptors: functions that wrap every call of a connection or a server.

import type { CallContext, CallOptions, MethodKind } from './service.ts';

/** An outgoing call. */
export interface OutgoingCall {
  readonly service: string;
  /** Name of the method on the wire. */
  readonly method: string;
  readonly kind: MethodKind;
  /** The request message, or for `client-stream` and `bidi` the AsyncIterable of them. */
  readonly input: unknown;
  readonly options: CallOptions;
}

/**
 * Wraps the calls of a {@link Connection}. `next` makes the call; it may be given a changed one (more metadata, say),
 * called again (a retry), or not called. The first interceptor of a list is outermost.
 */
export interface ClientInterceptor {
  /** Wraps methods with a single reply: `unary` and `client-stream`. */
  single?(call: OutgoingCall, next: (call: OutgoingCall) => Promise<unknown>): Promise<unknown>;
  /** Wraps methods with a stream of replies: `server-stream` and `bidi`. */
  stream?(
    call: OutgoingCall,
    next: (call: OutgoingCall) => AsyncIterableIterator<unknown>,
  ): AsyncIterableIterator<unknown>;
}

/** Wraps the handlers of a server, as {@link ClientInterceptor} wraps the calls of a client. */
export interface ServerInterceptor {
  /** Wraps methods with a single reply: `unary` and `client-stream`. */
  single?(
    input: unknown,
    context: CallContext,
    next: (input: unknown, context: CallContext) => Promise<unknown>,
  ): Promise<unknown>;
  /** Wraps methods with a stream of replies: `server-stream` and `bidi`. */
  stream?(
    input: unknown,
    context: CallContext,
    next: (input: unknown, context: CallContext) => AsyncIterable<unknown>,
  ): AsyncIterable<unknown>;
}

/** Whether a method has a stream of replies. */
export function repliesWithStream(kind: MethodKind): boolean {
  return kind === 'server-stream' || kind === 'bidi';
}

/** Wraps a call in the interceptors of its connection. */
export function wrapCall(
  interceptors: readonly ClientInterceptor[],
  kind: MethodKind,
  call: (call: OutgoingCall) => unknown,
): (call: OutgoingCall) => unknown {
  let wrapped = call;
  for (const interceptor of interceptors.toReversed()) {
    const next = wrapped;
    if (repliesWithStream(kind)) {
      if (interceptor.stream === undefined) continue;
      wrapped = (c) => interceptor.stream?.(c, next as (c: OutgoingCall) => AsyncIterableIterator<unknown>);
    } else {
      if (interceptor.single === undefined) continue;
      wrapped = (c) => interceptor.single?.(c, next as (c: OutgoingCall) => Promise<unknown>);
    }
  }
  return wrapped;
}

type Handle = (input: unknown, context: CallContext) => unknown;

/** Wraps a handler in the interceptors of its server. */
export function wrapHandler(
  interceptors: readonly ServerInterceptor[],
  kind: MethodKind,
  handle: Handle,
): Handle {
  let wrapped = handle;
  for (const interceptor of interceptors.toReversed()) {
    const next = wrapped;
    if (repliesWithStream(kind)) {
      if (interceptor.stream === undefined) continue;
      wrapped = (input, context) =>
        interceptor.stream?.(input, context, next as (i: unknown, c: CallContext) => AsyncIterable<unknown>);
    } else {
      if (interceptor.single === undefined) continue;
      // A handler may return a plain value; an interceptor always gets a promise.
      const asPromise = async (i: unknown, c: CallContext): Promise<unknown> => next(i, c);
      wrapped = (input, context) => interceptor.single?.(input, context, asPromise);
    }
  }
  return wrapped;
}
