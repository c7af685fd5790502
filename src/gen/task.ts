// Generated from proto/task.proto, proto/task_v3.proto, proto/runc.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Any, Empty, Timestamp } from './google.ts';
import { Mount } from './types.ts';
import { message, unary, type Message } from './wire.ts';

export const Status = {
  UNKNOWN: 0,
  CREATED: 1,
  RUNNING: 2,
  STOPPED: 3,
  PAUSED: 4,
  PAUSING: 5,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

export interface StateRequest {
  id: string;
  execId: string;
}
export const StateRequest: Message<StateRequest> = message<StateRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface StateResponse {
  id: string;
  bundle: string;
  pid: number;
  status: Status;
  stdin: string;
  stdout: string;
  stderr: string;
  terminal: boolean;
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
  execId: string;
}
export const StateResponse: Message<StateResponse> = message<StateResponse>(
  (init) => ({
    id: init.id ?? '',
    bundle: init.bundle ?? '',
    pid: init.pid ?? 0,
    status: init.status ?? (0 as Status),
    stdin: init.stdin ?? '',
    stdout: init.stdout ?? '',
    stderr: init.stderr ?? '',
    terminal: init.terminal ?? false,
    exitStatus: init.exitStatus ?? 0,
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.bundle) out.tag(18).string(from.bundle);
    if (from.pid) out.tag(24).uint32(from.pid);
    if (from.status) out.tag(32).int32(from.status);
    if (from.stdin) out.tag(42).string(from.stdin);
    if (from.stdout) out.tag(50).string(from.stdout);
    if (from.stderr) out.tag(58).string(from.stderr);
    if (from.terminal) out.tag(64).bool(from.terminal);
    if (from.exitStatus) out.tag(72).uint32(from.exitStatus);
    if (from.exitedAt) out.message(82, Timestamp, from.exitedAt);
    if (from.execId) out.tag(90).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.bundle = input.string();
        return true;
      case 24:
        into.pid = input.uint32();
        return true;
      case 32:
        into.status = input.int32() as Status;
        return true;
      case 42:
        into.stdin = input.string();
        return true;
      case 50:
        into.stdout = input.string();
        return true;
      case 58:
        into.stderr = input.string();
        return true;
      case 64:
        into.terminal = input.bool();
        return true;
      case 72:
        into.exitStatus = input.uint32();
        return true;
      case 82:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      case 90:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface CreateTaskRequest {
  id: string;
  bundle: string;
  rootfs: Mount[];
  terminal: boolean;
  stdin: string;
  stdout: string;
  stderr: string;
  checkpoint: string;
  parentCheckpoint: string;
  options?: Any | undefined;
}
export const CreateTaskRequest: Message<CreateTaskRequest> = message<CreateTaskRequest>(
  (init) => ({
    id: init.id ?? '',
    bundle: init.bundle ?? '',
    rootfs: (init.rootfs ?? []).map(Mount.create),
    terminal: init.terminal ?? false,
    stdin: init.stdin ?? '',
    stdout: init.stdout ?? '',
    stderr: init.stderr ?? '',
    checkpoint: init.checkpoint ?? '',
    parentCheckpoint: init.parentCheckpoint ?? '',
    options: init.options && Any.create(init.options),
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.bundle) out.tag(18).string(from.bundle);
    for (const value of from.rootfs ?? []) out.message(26, Mount, value);
    if (from.terminal) out.tag(32).bool(from.terminal);
    if (from.stdin) out.tag(42).string(from.stdin);
    if (from.stdout) out.tag(50).string(from.stdout);
    if (from.stderr) out.tag(58).string(from.stderr);
    if (from.checkpoint) out.tag(66).string(from.checkpoint);
    if (from.parentCheckpoint) out.tag(74).string(from.parentCheckpoint);
    if (from.options) out.message(82, Any, from.options);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.bundle = input.string();
        return true;
      case 26:
        input.count();
        into.rootfs.push(input.message(Mount));
        return true;
      case 32:
        into.terminal = input.bool();
        return true;
      case 42:
        into.stdin = input.string();
        return true;
      case 50:
        into.stdout = input.string();
        return true;
      case 58:
        into.stderr = input.string();
        return true;
      case 66:
        into.checkpoint = input.string();
        return true;
      case 74:
        into.parentCheckpoint = input.string();
        return true;
      case 82:
        into.options = input.message(Any, into.options);
        return true;
      default:
        return false;
    }
  },
);

export interface CreateTaskResponse {
  pid: number;
}
export const CreateTaskResponse: Message<CreateTaskResponse> = message<CreateTaskResponse>(
  (init) => ({
    pid: init.pid ?? 0,
  }),
  (out, from) => {
    if (from.pid) out.tag(8).uint32(from.pid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.pid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface StartRequest {
  id: string;
  execId: string;
}
export const StartRequest: Message<StartRequest> = message<StartRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface StartResponse {
  pid: number;
}
export const StartResponse: Message<StartResponse> = message<StartResponse>(
  (init) => ({
    pid: init.pid ?? 0,
  }),
  (out, from) => {
    if (from.pid) out.tag(8).uint32(from.pid);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.pid = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface DeleteRequest {
  id: string;
  execId: string;
}
export const DeleteRequest: Message<DeleteRequest> = message<DeleteRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface DeleteResponse {
  pid: number;
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
}
export const DeleteResponse: Message<DeleteResponse> = message<DeleteResponse>(
  (init) => ({
    pid: init.pid ?? 0,
    exitStatus: init.exitStatus ?? 0,
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
  }),
  (out, from) => {
    if (from.pid) out.tag(8).uint32(from.pid);
    if (from.exitStatus) out.tag(16).uint32(from.exitStatus);
    if (from.exitedAt) out.message(26, Timestamp, from.exitedAt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.pid = input.uint32();
        return true;
      case 16:
        into.exitStatus = input.uint32();
        return true;
      case 26:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      default:
        return false;
    }
  },
);

export interface PidsRequest {
  id: string;
}
export const PidsRequest: Message<PidsRequest> = message<PidsRequest>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ProcessInfo {
  pid: number;
  info?: Any | undefined;
}
export const ProcessInfo: Message<ProcessInfo> = message<ProcessInfo>(
  (init) => ({
    pid: init.pid ?? 0,
    info: init.info && Any.create(init.info),
  }),
  (out, from) => {
    if (from.pid) out.tag(8).uint32(from.pid);
    if (from.info) out.message(18, Any, from.info);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.pid = input.uint32();
        return true;
      case 18:
        into.info = input.message(Any, into.info);
        return true;
      default:
        return false;
    }
  },
);

export interface PidsResponse {
  processes: ProcessInfo[];
}
export const PidsResponse: Message<PidsResponse> = message<PidsResponse>(
  (init) => ({
    processes: (init.processes ?? []).map(ProcessInfo.create),
  }),
  (out, from) => {
    for (const value of from.processes ?? []) out.message(10, ProcessInfo, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.processes.push(input.message(ProcessInfo));
        return true;
      default:
        return false;
    }
  },
);

export interface PauseRequest {
  id: string;
}
export const PauseRequest: Message<PauseRequest> = message<PauseRequest>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ResumeRequest {
  id: string;
}
export const ResumeRequest: Message<ResumeRequest> = message<ResumeRequest>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface CheckpointTaskRequest {
  id: string;
  path: string;
  options?: Any | undefined;
}
export const CheckpointTaskRequest: Message<CheckpointTaskRequest> = message<CheckpointTaskRequest>(
  (init) => ({
    id: init.id ?? '',
    path: init.path ?? '',
    options: init.options && Any.create(init.options),
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.path) out.tag(18).string(from.path);
    if (from.options) out.message(26, Any, from.options);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.path = input.string();
        return true;
      case 26:
        into.options = input.message(Any, into.options);
        return true;
      default:
        return false;
    }
  },
);

export interface KillRequest {
  id: string;
  execId: string;
  signal: number;
  all: boolean;
}
export const KillRequest: Message<KillRequest> = message<KillRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
    signal: init.signal ?? 0,
    all: init.all ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.signal) out.tag(24).uint32(from.signal);
    if (from.all) out.tag(32).bool(from.all);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.signal = input.uint32();
        return true;
      case 32:
        into.all = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface ExecProcessRequest {
  id: string;
  execId: string;
  terminal: boolean;
  stdin: string;
  stdout: string;
  stderr: string;
  /** An OCI process as JSON. */
  spec?: Any | undefined;
}
export const ExecProcessRequest: Message<ExecProcessRequest> = message<ExecProcessRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
    terminal: init.terminal ?? false,
    stdin: init.stdin ?? '',
    stdout: init.stdout ?? '',
    stderr: init.stderr ?? '',
    spec: init.spec && Any.create(init.spec),
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.terminal) out.tag(24).bool(from.terminal);
    if (from.stdin) out.tag(34).string(from.stdin);
    if (from.stdout) out.tag(42).string(from.stdout);
    if (from.stderr) out.tag(50).string(from.stderr);
    if (from.spec) out.message(58, Any, from.spec);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.terminal = input.bool();
        return true;
      case 34:
        into.stdin = input.string();
        return true;
      case 42:
        into.stdout = input.string();
        return true;
      case 50:
        into.stderr = input.string();
        return true;
      case 58:
        into.spec = input.message(Any, into.spec);
        return true;
      default:
        return false;
    }
  },
);

export interface ResizePtyRequest {
  id: string;
  execId: string;
  width: number;
  height: number;
}
export const ResizePtyRequest: Message<ResizePtyRequest> = message<ResizePtyRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
    width: init.width ?? 0,
    height: init.height ?? 0,
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.width) out.tag(24).uint32(from.width);
    if (from.height) out.tag(32).uint32(from.height);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.width = input.uint32();
        return true;
      case 32:
        into.height = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface CloseIORequest {
  id: string;
  execId: string;
  stdin: boolean;
}
export const CloseIORequest: Message<CloseIORequest> = message<CloseIORequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
    stdin: init.stdin ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
    if (from.stdin) out.tag(24).bool(from.stdin);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      case 24:
        into.stdin = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface UpdateTaskRequest {
  id: string;
  /** OCI LinuxResources as JSON. */
  resources?: Any | undefined;
  annotations: Map<string, string>;
}
export const UpdateTaskRequest: Message<UpdateTaskRequest> = message<UpdateTaskRequest>(
  (init) => ({
    id: init.id ?? '',
    resources: init.resources && Any.create(init.resources),
    annotations: new Map(init.annotations),
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.resources) out.message(18, Any, from.resources);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(26).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.resources = input.message(Any, into.resources);
        return true;
      case 26: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.annotations.set(key, value);
        return true;
      }
      default:
        return false;
    }
  },
);

export interface WaitRequest {
  id: string;
  execId: string;
}
export const WaitRequest: Message<WaitRequest> = message<WaitRequest>(
  (init) => ({
    id: init.id ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface WaitResponse {
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
}
export const WaitResponse: Message<WaitResponse> = message<WaitResponse>(
  (init) => ({
    exitStatus: init.exitStatus ?? 0,
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
  }),
  (out, from) => {
    if (from.exitStatus) out.tag(8).uint32(from.exitStatus);
    if (from.exitedAt) out.message(18, Timestamp, from.exitedAt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.exitStatus = input.uint32();
        return true;
      case 18:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      default:
        return false;
    }
  },
);

export interface StatsRequest {
  id: string;
}
export const StatsRequest: Message<StatsRequest> = message<StatsRequest>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface StatsResponse {
  /** io.containerd.cgroups.v1.Metrics or io.containerd.cgroups.v2.Metrics. */
  stats?: Any | undefined;
}
export const StatsResponse: Message<StatsResponse> = message<StatsResponse>(
  (init) => ({
    stats: init.stats && Any.create(init.stats),
  }),
  (out, from) => {
    if (from.stats) out.message(10, Any, from.stats);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.stats = input.message(Any, into.stats);
        return true;
      default:
        return false;
    }
  },
);

export interface ConnectRequest {
  id: string;
}
export const ConnectRequest: Message<ConnectRequest> = message<ConnectRequest>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ConnectResponse {
  shimPid: number;
  taskPid: number;
  version: string;
}
export const ConnectResponse: Message<ConnectResponse> = message<ConnectResponse>(
  (init) => ({
    shimPid: init.shimPid ?? 0,
    taskPid: init.taskPid ?? 0,
    version: init.version ?? '',
  }),
  (out, from) => {
    if (from.shimPid) out.tag(8).uint32(from.shimPid);
    if (from.taskPid) out.tag(16).uint32(from.taskPid);
    if (from.version) out.tag(26).string(from.version);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.shimPid = input.uint32();
        return true;
      case 16:
        into.taskPid = input.uint32();
        return true;
      case 26:
        into.version = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ShutdownRequest {
  id: string;
  now: boolean;
}
export const ShutdownRequest: Message<ShutdownRequest> = message<ShutdownRequest>(
  (init) => ({
    id: init.id ?? '',
    now: init.now ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
    if (from.now) out.tag(16).bool(from.now);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      case 16:
        into.now = input.bool();
        return true;
      default:
        return false;
    }
  },
);

/** Tells which exec a pid belongs to, in the answer to Pids. */
export interface ProcessDetails {
  execId: string;
}
export const ProcessDetails: Message<ProcessDetails> = message<ProcessDetails>(
  (init) => ({
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.execId) out.tag(10).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export const TaskV2 = {
  name: 'containerd.task.v2.Task',
  methods: {
    state: unary('State', StateRequest, StateResponse),
    create: unary('Create', CreateTaskRequest, CreateTaskResponse),
    start: unary('Start', StartRequest, StartResponse),
    delete: unary('Delete', DeleteRequest, DeleteResponse),
    pids: unary('Pids', PidsRequest, PidsResponse),
    pause: unary('Pause', PauseRequest, Empty),
    resume: unary('Resume', ResumeRequest, Empty),
    checkpoint: unary('Checkpoint', CheckpointTaskRequest, Empty),
    kill: unary('Kill', KillRequest, Empty),
    exec: unary('Exec', ExecProcessRequest, Empty),
    resizePty: unary('ResizePty', ResizePtyRequest, Empty),
    closeIO: unary('CloseIO', CloseIORequest, Empty),
    update: unary('Update', UpdateTaskRequest, Empty),
    wait: unary('Wait', WaitRequest, WaitResponse),
    stats: unary('Stats', StatsRequest, StatsResponse),
    connect: unary('Connect', ConnectRequest, ConnectResponse),
    shutdown: unary('Shutdown', ShutdownRequest, Empty),
  },
} as const satisfies ServiceSpec;

export const TaskV3 = {
  name: 'containerd.task.v3.Task',
  methods: {
    state: unary('State', StateRequest, StateResponse),
    create: unary('Create', CreateTaskRequest, CreateTaskResponse),
    start: unary('Start', StartRequest, StartResponse),
    delete: unary('Delete', DeleteRequest, DeleteResponse),
    pids: unary('Pids', PidsRequest, PidsResponse),
    pause: unary('Pause', PauseRequest, Empty),
    resume: unary('Resume', ResumeRequest, Empty),
    checkpoint: unary('Checkpoint', CheckpointTaskRequest, Empty),
    kill: unary('Kill', KillRequest, Empty),
    exec: unary('Exec', ExecProcessRequest, Empty),
    resizePty: unary('ResizePty', ResizePtyRequest, Empty),
    closeIO: unary('CloseIO', CloseIORequest, Empty),
    update: unary('Update', UpdateTaskRequest, Empty),
    wait: unary('Wait', WaitRequest, WaitResponse),
    stats: unary('Stats', StatsRequest, StatsResponse),
    connect: unary('Connect', ConnectRequest, ConnectResponse),
    shutdown: unary('Shutdown', ShutdownRequest, Empty),
  },
} as const satisfies ServiceSpec;
