/**
 * The life of one process (a container's init or an exec), as data. Pure: `next` is the only way from one state to
 * another, and an event that does not fit a state is an error that names both.
 */
import { ShimError } from '../base/errors.ts';

export interface Exit {
  /** 0 to 255; 128 + n when signal n ended the process. */
  readonly status: number;
  readonly at: Date;
}

export type ProcessState =
  | { readonly t: 'created' }
  | { readonly t: 'starting' }
  | { readonly t: 'running' }
  /** The start failed: containerd still sees CREATED and may delete it, a Wait returns. */
  | { readonly t: 'failed'; readonly exit: Exit }
  | { readonly t: 'exited'; readonly exit: Exit }
  | { readonly t: 'deleted'; readonly exit: Exit };

export type ProcessEvent =
  | { readonly t: 'start' }
  | { readonly t: 'started' }
  | { readonly t: 'start failed'; readonly exit: Exit }
  | { readonly t: 'exit'; readonly exit: Exit }
  | { readonly t: 'delete' };

/**
 * @param who for the error's text, e.g. `exec sh of container web`.
 * @throws ShimError `failed-precondition` when the event does not fit the state.
 */
export function next(who: string, state: ProcessState, event: ProcessEvent): ProcessState {
  switch (event.t) {
    case 'start':
      if (state.t === 'created') return { t: 'starting' };
      break;
    case 'started':
      if (state.t === 'starting') return { t: 'running' };
      break;
    case 'start failed':
      if (state.t === 'starting') return { t: 'failed', exit: event.exit };
      break;
    case 'exit':
      // A created init can be killed before it was started, and the VM can die at any time, also of a start.
      if (state.t !== 'exited' && state.t !== 'deleted') {
        return { t: 'exited', exit: event.exit };
      }
      break;
    case 'delete':
      if (state.t === 'exited' || state.t === 'failed') return { t: 'deleted', exit: state.exit };
      if (state.t === 'created') return { t: 'deleted', exit: { status: 0, at: new Date() } };
      break;
  }
  throw new ShimError('failed-precondition', `cannot ${event.t} ${who}: it is ${state.t}`);
}
