/**
 * This project's errors: each says what went wrong, where and what to do, and carries the code that containerd gets.
 * The edge of the shim turns it into a ttrpc status, once (src/shim/errors.ts).
 */

/** The google.rpc codes that containerd distinguishes, plus `internal` for our own bugs. */
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

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
