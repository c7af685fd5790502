/** The error of a sandbox's network. */
import { ShimError } from '../base/errors.ts';

/** `message` says what, where and what to do, and ends with the failed program's own message. */
export class NetworkError extends ShimError {
  constructor(what: string, detail: { readonly stderr?: string; readonly cause?: unknown } = {}) {
    const stderr = detail.stderr?.trim().replaceAll('\n', ' ');
    super(
      'failed-precondition',
      stderr ? `${what}: ${stderr}` : what,
      detail.cause === undefined ? undefined : { cause: detail.cause },
    );
    this.name = 'NetworkError';
  }
}
