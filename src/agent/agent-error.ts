// All failures of the guest agent, as one error type. The guest is not trusted: its codes are mapped and its texts
// shortened before anyone sees them.
import { Code, TtrpcError } from 'ttrpc-ts';

/** A call to the guest agent failed, or its answer was invalid. `code` is a ttrpc status code. */
export class AgentError extends TtrpcError {
  override readonly name = 'AgentError';

  constructor(code: number, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
  }
}

const maxTextLength = 1_024;

/** Codes from the agent that are passed on, because they mean the same to containerd. */
const passedCodes: ReadonlySet<number> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.PermissionDenied,
  Code.ResourceExhausted,
  Code.FailedPrecondition,
  Code.Unimplemented,
]);

/** Text from the guest, without control characters and of bounded length, fit for a log line or an error. */
export function cleanText(text: string, maxLength = maxTextLength): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return cut.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
}

/**
 * The error for a call that failed.
 * @param what the call in words: `starting container abc`.
 * @param timeoutMs the call's limit, which the error names when it was exceeded.
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

/** Whether the guest does not know the container or process of a call. */
export function isNotFound(error: unknown): boolean {
  return error instanceof AgentError && error.code === Code.NotFound;
}

/** Whether the guest's agent does not have the call: it is an old one, or another project's. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof AgentError && error.code === Code.Unimplemented;
}
