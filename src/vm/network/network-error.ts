/** What can go wrong with a sandbox's network. */

/** `message` says what, where and what to do, and ends with what the program that failed said. */
export class NetworkError extends Error {
  constructor(what: string, detail: { readonly stderr?: string; readonly cause?: unknown } = {}) {
    const stderr = detail.stderr?.trim().replaceAll('\n', ' ');
    super(
      stderr ? `${what}: ${stderr}` : what,
      detail.cause === undefined ? undefined : { cause: detail.cause },
    );
    this.name = 'NetworkError';
  }
}
