// What can go wrong between us and the guest agent, as one error type. The guest is not trusted: its codes and texts
// are cut down before anyone sees them.
import { Code, TtrpcError } from 'ttrpc-ts';

/** A call of the guest agent failed, or its answer cannot be right. `code` is a status code of ttrpc. */
export class AgentError extends TtrpcError {
  override readonly name = 'AgentError';

  constructor(code: number, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
  }
}

const maxTextLength = 1_024;

/** Codes that the agent may send and that mean to containerd what they mean to us. */
const passedCodes: ReadonlySet<number> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.ResourceExhausted,
  Code.FailedPrecondition,
  Code.Unimplemented,
]);

/** Text of the guest without control characters and of bounded length, fit for a log line or an error. */
export function cleanText(text: string, maxLength = maxTextLength): string {
  // A regular expression over control characters is what is meant here.
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
}

/**
 * The error of a call.
 * @param what the call in words: `starting container abc`.
 * @param timeoutMs the limit that the call had, to be named when it was passed.
 */
export function agentError(what: string, thrown: unknown, timeoutMs: number | undefined): AgentError {
  const error = TtrpcError.from(thrown);
  if (error.code === Code.DeadlineExceeded && timeoutMs !== undefined) {
    return new AgentError(
      error.code,
      `${what}: the guest agent did not answer within ${timeoutMs} ms (${cleanText(error.message, 200)})`,
      error,
    );
  }
  if (error.code === Code.Canceled) return new AgentError(error.code, `${what}: given up`, error);
  const code = passedCodes.has(error.code) ? error.code : Code.Internal;
  return new AgentError(code, `${what}: ${cleanText(error.message)}`, error);
}

/** Whether the guest does not know the container or process that a call named. */
export function isNotFound(error: unknown): boolean {
  return error instanceof AgentError && error.code === Code.NotFound;
}

/** Whether the guest's agent has no such call: an old one, or another project's. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof AgentError && error.code === Code.Unimplemented;
}
