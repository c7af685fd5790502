/**
 * The errors of this project: each says what went wrong, where and what to do, and has the code that containerd is told. The
 * shim's edge turns that into a ttrpc status, once (src/shim/errors.ts).
 */

/** Names of the google.rpc codes that containerd classifies, plus `internal` for our own bugs. */
export type ErrorCode =
  | 'invalid-argument'
  | 'not-found'
  | 'already-exists'
  | 'failed-precondition'
  | 'unimplemented'
  | 'unavailable'
  | 'deadline-exceeded'
  | 'canceled'
  | 'resource-exhausted'
  | 'internal';

export class ShimError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ShimError';
    this.code = code;
  }
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
