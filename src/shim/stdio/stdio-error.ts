// The one error of opening stdio: a path or URI of the request that cannot be used.

import { ShimError } from '../../base/errors.ts';

/** What containerd asked for cannot be opened; the message names the stream, the path and the cause. */
export class StdioError extends ShimError {
  readonly stream: 'stdin' | 'stdout' | 'stderr';

  constructor(stream: 'stdin' | 'stdout' | 'stderr', uri: string, what: string, cause?: unknown) {
    super('invalid-argument', `${stream} ${JSON.stringify(uri)}: ${what}`, { cause });
    this.name = 'StdioError';
    this.stream = stream;
  }
}

/** Short text of an errno error: "ENOENT: no such file or directory" instead of Node's sentence with the call. */
export function errnoText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(', ')[0] ?? message;
}
