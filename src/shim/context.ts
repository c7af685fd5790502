/** What the services of one shim share. */
import type { SandboxContext } from '../sandbox/request.ts';
import type { Log } from './log.ts';

export interface ShimContext extends SandboxContext {
  readonly log: Log;
  /** Ends the shim after the current reply: removes the socket and flushes events. */
  exit(): void;
}
