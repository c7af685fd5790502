/** Task events in wire form: topic, type and message (containerd.events.*). */
import {
  TaskCreate,
  TaskDelete,
  TaskExecAdded,
  TaskExecStarted,
  TaskExit,
  TaskOOM,
  TaskPaused,
  TaskResumed,
  TaskStart,
} from '../gen/events.ts';
import type { TaskEvent } from '../sandbox/task-event.ts';
import { timestamp } from './timestamp.ts';

export interface WireEvent {
  readonly topic: string;
  /** Full name of the message, also its type URL. */
  readonly type: string;
  readonly value: Uint8Array;
}

export function wireEvent(event: TaskEvent): WireEvent {
  const { containerId } = event;
  switch (event.t) {
    case 'create': {
      const { bundle, pid, io, rootfs } = event;
      const value = TaskCreate.encode({
        containerId,
        bundle,
        pid,
        io,
        rootfs: rootfs.map((m) => ({ ...m, options: [...m.options] })),
      });
      return { topic: '/tasks/create', type: 'containerd.events.TaskCreate', value };
    }
    case 'start':
      return {
        topic: '/tasks/start',
        type: 'containerd.events.TaskStart',
        value: TaskStart.encode({ containerId, pid: event.pid }),
      };
    case 'exec added':
      return {
        topic: '/tasks/exec-added',
        type: 'containerd.events.TaskExecAdded',
        value: TaskExecAdded.encode({ containerId, execId: event.execId }),
      };
    case 'exec started':
      return {
        topic: '/tasks/exec-started',
        type: 'containerd.events.TaskExecStarted',
        value: TaskExecStarted.encode({ containerId, execId: event.execId, pid: event.pid }),
      };
    case 'exit': {
      const { id, pid, exit } = event;
      const value = TaskExit.encode({
        containerId,
        id,
        pid,
        exitStatus: exit.status,
        exitedAt: timestamp(exit.at),
      });
      return { topic: '/tasks/exit', type: 'containerd.events.TaskExit', value };
    }
    case 'delete': {
      const { pid, exit } = event;
      const value = TaskDelete.encode({
        containerId,
        pid,
        exitStatus: exit.status,
        exitedAt: timestamp(exit.at),
      });
      return { topic: '/tasks/delete', type: 'containerd.events.TaskDelete', value };
    }
    case 'paused':
      return {
        topic: '/tasks/paused',
        type: 'containerd.events.TaskPaused',
        value: TaskPaused.encode({ containerId }),
      };
    case 'resumed':
      return {
        topic: '/tasks/resumed',
        type: 'containerd.events.TaskResumed',
        value: TaskResumed.encode({ containerId }),
      };
    case 'oom':
      return {
        topic: '/tasks/oom',
        type: 'containerd.events.TaskOOM',
        value: TaskOOM.encode({ containerId }),
      };
  }
}
