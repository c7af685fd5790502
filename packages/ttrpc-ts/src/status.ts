// Owns the protocol's status codes and the library's only error class.

/** The status codes of google.rpc.Code, which ttrpc uses unchanged. */
export const Code = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** One of the values of {@link Code}. A peer may send other numbers; they are kept as received. */
export type Code = (typeof Code)[keyof typeof Code];

/** One `google.protobuf.Any` of a status; the library neither encodes nor decodes `value`. */
export interface StatusDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** What may accompany a {@link TtrpcError}. */
export interface TtrpcErrorOptions {
  /** The error that led to this one; it stays on this side of the wire. */
  readonly cause?: unknown;
  /** Typed details, sent to the peer together with code and message. */
  readonly details?: readonly StatusDetail[];
}

const names: ReadonlyMap<number, string> = new Map(Object.entries(Code).map(([name, code]) => [code, name]));

/** The name of a status code (`'NotFound'`), or `'Code(99)'` for one that {@link Code} does not list. */
export function codeName(code: number): string {
  return names.get(code) ?? `Code(${code})`;
}

/**
 * The failure of a call or of a connection.
 *
 * When a handler throws it, the caller gets its code, message and details. On the client every rejected call carries
 * one: the peer's status, or one created here (`Canceled`, `DeadlineExceeded`, `Unavailable` for a lost connection,
 * `ResourceExhausted` for a message over the limit, `Internal` for a reply that cannot be decoded).
 */
export class TtrpcError extends Error {
  override readonly name: string = 'TtrpcError';
  /** A {@link Code}, or another number that the peer sent. */
  readonly code: number;
  /** Details of the status, in wire order; empty when there are none. */
  readonly details: readonly StatusDetail[];

  constructor(code: number, message: string, options: TtrpcErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? [];
  }

  /**
   * Converts anything thrown to an error of this class: itself if it already is one, otherwise `Unknown` with the
   * thrown error's message and the error itself as `cause`.
   */
  static from(thrown: unknown): TtrpcError {
    if (thrown instanceof TtrpcError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new TtrpcError(Code.Unknown, message, { cause: thrown });
  }
}
