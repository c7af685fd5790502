/** What happens to tasks, as containerd is told: the sandbox emits these, src/shim/publish.ts gives them their wire form. */

import type { StdioPaths } from './process.ts';
import type { Exit } from './process-state.ts';

export type TaskEvent =
  | {
      readonly t: 'create';
      readonly containerId: string;
      readonly bundle: string;
      readonly rootfs: readonly RootfsMount[];
      readonly io: StdioPaths;
      readonly pid: number;
    }
  | { readonly t: 'start'; readonly containerId: string; readonly pid: number }
  | { readonly t: 'exec added'; readonly containerId: string; readonly execId: string }
  | {
      readonly t: 'exec started';
      readonly containerId: string;
      readonly execId: string;
      readonly pid: number;
    }
  | {
      readonly t: 'exit';
      readonly containerId: string;
      /** The exec's id, or the container's for its init. */
      readonly id: string;
      readonly pid: number;
      readonly exit: Exit;
    }
  | { readonly t: 'delete'; readonly containerId: string; readonly pid: number; readonly exit: Exit }
  | { readonly t: 'paused' | 'resumed' | 'oom'; readonly containerId: string };

/** A mount of the Create request's rootfs list. */
export interface RootfsMount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}
