// The error for a path or URI of a request that cannot be used for stdio.

import { ShimError } from '../../base/errors.ts';

/** The message names the stream, the path and the cause. */
export class StdioError extends ShimError {
  readonly stream: 'stdin' | 'stdout' | 'stderr';

  constructor(stream: 'stdin' | 'stdout' | 'stderr', uri: string, what: string, cause?: unknown) {
    super('invalid-argument', `${stream} ${JSON.stringify(uri)}: ${what}`, { cause });
    this.name = 'StdioError';
    this.stream = stream;
  }
}

/** The short text of an errno error: "ENOENT: no such file or directory", without Node's system call and path. */
export function errnoText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(', ')[0] ?? message;
}
