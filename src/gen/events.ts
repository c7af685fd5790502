// Generated from proto/events.proto, proto/events_forward.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Any, Empty, Timestamp } from './google.ts';
import { Mount } from './types.ts';
import { message, unary, type Message } from './wire.ts';

export interface TaskIO {
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
}
export const TaskIO: Message<TaskIO> = message<TaskIO>(
  (init) => ({
    stdin: init.stdin ?? '',
    stdout: init.stdout ?? '',
    stderr: init.stderr ?? '',
    terminal: init.terminal ?? false,
  }),
  (out, from) => {
    if (from.stdin) out.tag(10).string(from.stdin);
    if (from.stdout) out.tag(18).string(from.stdout);
    if (from.stderr) out.tag(26).string(from.stderr);
    if (from.terminal) out.tag(32).bool(from.terminal);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.stdin = input.string();
        return true;
      case 18:
        into.stdout = input.string();
        return true;
      case 26:
        into.stderr = input.string();
        return true;
      case 32:
        into.terminal = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskCreate {
  containerId: string;
  bundle: string;
  rootfs: Mount[];
  io?: TaskIO | undefined;
  checkpoint: string;
  pid: number;
}
export const TaskCreate: Message<TaskCreate> = message<TaskCreate>(
  (init) => ({
    containerId: init.containerId ?? '',
    bundle: init.bundle ?? '',
    rootfs: (init.rootfs ?? []).map(Mount.create),
    io: init.io && TaskIO.create(init.io),
    checkpoint: init.checkpoint ?? '',
    pid: init.pid ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.bundle) out.tag(18).string(from.bundle);
    for (const value of from.rootfs ?? []) out.message(26, Mount, value);
    if (from.io) out.message(34, TaskIO, from.io);
    if (from.checkpoint) out.tag(42).string(from.checkpoint);
    if (from.pid) out.tag(48).uint32(from.pid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.bundle = input.string();
        return true;
      case 26:
        input.count();
        into.rootfs.push(input.message(Mount));
        return true;
      case 34:
        into.io = input.message(TaskIO, into.io);
        return true;
      case 42:
        into.checkpoint = input.string();
        return true;
      case 48:
        into.pid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskStart {
  containerId: string;
  pid: number;
}
export const TaskStart: Message<TaskStart> = message<TaskStart>(
  (init) => ({
    containerId: init.containerId ?? '',
    pid: init.pid ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.pid) out.tag(16).uint32(from.pid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 16:
        into.pid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskDelete {
  containerId: string;
  pid: number;
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
  /** Exec id; empty when the container's first process is meant. */
  id: string;
}
export const TaskDelete: Message<TaskDelete> = message<TaskDelete>(
  (init) => ({
    containerId: init.containerId ?? '',
    pid: init.pid ?? 0,
    exitStatus: init.exitStatus ?? 0,
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.pid) out.tag(16).uint32(from.pid);
    if (from.exitStatus) out.tag(24).uint32(from.exitStatus);
    if (from.exitedAt) out.message(34, Timestamp, from.exitedAt);
    if (from.id) out.tag(42).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 16:
        into.pid = input.uint32();
        return true;
      case 24:
        into.exitStatus = input.uint32();
        return true;
      case 34:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      case 42:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskExit {
  containerId: string;
  /** Exec id, or the container id for the first process. */
  id: string;
  pid: number;
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
}
export const TaskExit: Message<TaskExit> = message<TaskExit>(
  (init) => ({
    containerId: init.containerId ?? '',
    id: init.id ?? '',
    pid: init.pid ?? 0,
    exitStatus: init.exitStatus ?? 0,
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.id) out.tag(18).string(from.id);
    if (from.pid) out.tag(24).uint32(from.pid);
    if (from.exitStatus) out.tag(32).uint32(from.exitStatus);
    if (from.exitedAt) out.message(42, Timestamp, from.exitedAt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.id = input.string();
        return true;
      case 24:
        into.pid = input.uint32();
        return true;
      case 32:
        into.exitStatus = input.uint32();
        return true;
      case 42:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      default:
        return false;
    }
  },
);

export interface TaskOOM {
  containerId: string;
}
export const TaskOOM: Message<TaskOOM> = message<TaskOOM>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskExecAdded {
  containerId: string;
  execId: string;
}
export const TaskExecAdded: Message<TaskExecAdded> = message<TaskExecAdded>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskExecStarted {
  containerId: string;
  execId: string;
  pid: number;
}
export const TaskExecStarted: Message<TaskExecStarted> = message<TaskExecStarted>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
    pid: init.pid ?? 0,
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.pid) out.tag(24).uint32(from.pid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.pid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskPaused {
  containerId: string;
}
export const TaskPaused: Message<TaskPaused> = message<TaskPaused>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskResumed {
  containerId: string;
}
export const TaskResumed: Message<TaskResumed> = message<TaskResumed>(
  (init) => ({
    containerId: init.containerId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface TaskCheckpointed {
  containerId: string;
  checkpoint: string;
}
export const TaskCheckpointed: Message<TaskCheckpointed> = message<TaskCheckpointed>(
  (init) => ({
    containerId: init.containerId ?? '',
    checkpoint: init.checkpoint ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.checkpoint) out.tag(18).string(from.checkpoint);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.checkpoint = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Envelope {
  timestamp?: Timestamp | undefined;
  namespace: string;
  topic: string;
  event?: Any | undefined;
}
export const Envelope: Message<Envelope> = message<Envelope>(
  (init) => ({
    timestamp: init.timestamp && Timestamp.create(init.timestamp),
    namespace: init.namespace ?? '',
    topic: init.topic ?? '',
    event: init.event && Any.create(init.event),
  }),
  (out, from) => {
    if (from.timestamp) out.message(10, Timestamp, from.timestamp);
    if (from.namespace) out.tag(18).string(from.namespace);
    if (from.topic) out.tag(26).string(from.topic);
    if (from.event) out.message(34, Any, from.event);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.timestamp = input.message(Timestamp, into.timestamp);
        return true;
      case 18:
        into.namespace = input.string();
        return true;
      case 26:
        into.topic = input.string();
        return true;
      case 34:
        into.event = input.message(Any, into.event);
        return true;
      default:
        return false;
    }
  },
);

export interface ForwardRequest {
  envelope?: Envelope | undefined;
}
export const ForwardRequest: Message<ForwardRequest> = message<ForwardRequest>(
  (init) => ({
    envelope: init.envelope && Envelope.create(init.envelope),
  }),
  (out, from) => {
    if (from.envelope) out.message(10, Envelope, from.envelope);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.envelope = input.message(Envelope, into.envelope);
        return true;
      default:
        return false;
    }
  },
);

export const EventsService = {
  name: 'containerd.services.events.ttrpc.v1.Events',
  methods: {
    forward: unary('Forward', ForwardRequest, Empty),
  },
} as const satisfies ServiceSpec;
