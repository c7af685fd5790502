/** Turns whatever was thrown into a ttrpc status. Only the server's outermost layer does this. */
import { Code, TtrpcError } from 'ttrpc-ts';
import { type ErrorCode, ShimError } from '../base/errors.ts';

const CODES: Record<ErrorCode, number> = {
  'invalid-argument': Code.InvalidArgument,
  'not-found': Code.NotFound,
  'already-exists': Code.AlreadyExists,
  'failed-precondition': Code.FailedPrecondition,
  unimplemented: Code.Unimplemented,
  unavailable: Code.Unavailable,
  'deadline-exceeded': Code.DeadlineExceeded,
  canceled: Code.Canceled,
  'resource-exhausted': Code.ResourceExhausted,
  internal: Code.Internal,
};

/** The status that containerd gets for an error; a TtrpcError is passed on unchanged. */
export function toStatus(error: unknown): TtrpcError {
  if (error instanceof TtrpcError) return error;
  if (error instanceof ShimError) return status(CODES[error.code], error);
  if (error instanceof Error) return status(Code.Internal, error);
  return new TtrpcError(Code.Internal, String(error));
}

function status(code: number, error: Error): TtrpcError {
  return new TtrpcError(code, error.message, { cause: error });
}
