/** The streams of a process and what containerd is told of it, for tests. Not shipped. */
import type { ProcessIo } from '../process.ts';
import type { TaskEvent } from '../task-event.ts';

export class PlayedIo implements ProcessIo {
  /** How the output ends; at once unless told. */
  readonly drained = Promise.withResolvers<'drained' | 'stalled'>();
  closed = false;

  constructor(drained = true) {
    if (drained) this.drained.resolve('drained');
  }

  start(): void {}
  closeStdin(): void {}
  drain = () => this.drained.promise;
  async close(): Promise<void> {
    this.closed = true;
  }
}

/** An event in a few words: `start`, `exec started e`, `exit c 137`. */
export function label(event: TaskEvent): string {
  if (event.t === 'exit') return `exit ${event.id} ${event.exit.status}`;
  return 'execId' in event ? `${event.t} ${event.execId}` : event.t;
}
