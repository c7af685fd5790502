// Owns the description of a service, and the types of clients and handlers derived from it.

/**
 * Turns messages into bytes and back. `In` is what `encode` accepts when that is wider than what `decode` returns (for
 * instance a message whose fields may be left out).
 *
 * `decode` gets a view of the received bytes, not a copy: copy what you keep, and do not modify it. `encode` gives its
 * bytes away: do not modify them afterwards.
 */
export interface Codec<T, In = T> {
  encode(message: In): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** How many messages go which way: one and one, many and one, one and many, many and many. */
export type MethodKind = 'unary' | 'client-stream' | 'server-stream' | 'bidi';

/** One method of a service. `name` is the name on the wire (`Create`). */
export interface MethodSpec<
  K extends MethodKind = MethodKind,
  Req = unknown,
  Res = unknown,
  ReqIn = Req,
  ResIn = Res,
> {
  readonly name: string;
  readonly kind: K;
  readonly request: Codec<Req, ReqIn>;
  readonly response: Codec<Res, ResIn>;
}

/** A service: its full name on the wire (`containerd.task.v2.Task`) and its methods by their name in TypeScript. */
export interface ServiceSpec {
  readonly name: string;
  readonly methods: Readonly<Record<string, MethodSpec>>;
}

/** What a codec accepts. */
export type Input<C> = C extends { encode(message: infer In): Uint8Array } ? In : never;

/** What a codec returns. */
export type Output<C> = C extends { decode(bytes: Uint8Array): infer T } ? T : never;

/** A value, or a promise for it. */
export type Awaitable<T> = T | Promise<T>;

/** Metadata to send: one or several values per key. Keys are sent as given; ttrpc peers expect lower case. */
export type Metadata = Readonly<Record<string, string | readonly string[]>>;

/** Received metadata: every key with all of its values, in wire order. */
export type ReceivedMetadata = ReadonlyMap<string, readonly string[]>;

/** Options of one call. */
export interface CallOptions {
  /**
   * Cancels the call: it fails with `Canceled` (or `DeadlineExceeded`, if the signal's reason is a `TimeoutError`).
   * ttrpc has no cancel message, so the server does not know: use `timeoutMs` to bound its work.
   */
  readonly signal?: AbortSignal;
  /** Timeout in milliseconds. It is sent to the server and also enforced on this side (`DeadlineExceeded`). */
  readonly timeoutMs?: number;
  readonly metadata?: Metadata;
}

/** The function that calls a method. */
export type ClientMethod<M extends MethodSpec> = M['kind'] extends 'unary'
  ? (request: Input<M['request']>, options?: CallOptions) => Promise<Output<M['response']>>
  : M['kind'] extends 'server-stream'
    ? (request: Input<M['request']>, options?: CallOptions) => AsyncIterableIterator<Output<M['response']>>
    : M['kind'] extends 'client-stream'
      ? (
          requests: AsyncIterable<Input<M['request']>>,
          options?: CallOptions,
        ) => Promise<Output<M['response']>>
      : (
          requests: AsyncIterable<Input<M['request']>>,
          options?: CallOptions,
        ) => AsyncIterableIterator<Output<M['response']>>;

/** The typed client of a service: one function per method. */
export type Client<S extends ServiceSpec> = {
  readonly [M in keyof S['methods']]: ClientMethod<S['methods'][M]>;
};

/** What a handler knows about its call. */
export interface CallContext {
  /**
   * Aborted when the deadline passes, the connection is lost or the server is closed. Its `reason` is a `TtrpcError`.
   * It is created on first use, so a handler that ignores it costs nothing.
   */
  readonly signal: AbortSignal;
  /** When the caller's timeout passes, in milliseconds as of `Date.now()`; undefined without a timeout. */
  readonly deadline: number | undefined;
  readonly metadata: ReceivedMetadata;
  /** Full name of the service. */
  readonly service: string;
  /** Name of the method on the wire. */
  readonly method: string;
  readonly kind: MethodKind;
}

/** The function that serves a method. */
export type Handler<M extends MethodSpec> = M['kind'] extends 'unary'
  ? (request: Output<M['request']>, context: CallContext) => Awaitable<Input<M['response']>>
  : M['kind'] extends 'server-stream'
    ? (request: Output<M['request']>, context: CallContext) => AsyncIterable<Input<M['response']>>
    : M['kind'] extends 'client-stream'
      ? (
          requests: AsyncIterableIterator<Output<M['request']>>,
          context: CallContext,
        ) => Awaitable<Input<M['response']>>
      : (
          requests: AsyncIterableIterator<Output<M['request']>>,
          context: CallContext,
        ) => AsyncIterable<Input<M['response']>>;

/** The handlers of a service. A method without a handler answers `Unimplemented`. */
export type Handlers<S extends ServiceSpec> = {
  readonly [M in keyof S['methods']]?: Handler<S['methods'][M]> | undefined;
};
