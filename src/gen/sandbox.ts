// Generated from proto/sandbox.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Any, Timestamp } from './google.ts';
import { Metric, Mount, Platform } from './types.ts';
import { message, unary, type Message } from './wire.ts';

export interface CreateSandboxRequest {
  sandboxId: string;
  bundlePath: string;
  rootfs: Mount[];
  /** runtime.v1.PodSandboxConfig when CRI asks. */
  options?: Any | undefined;
  netnsPath: string;
  /** Filled by containerd 2.3 and later. */
  annotations: Map<string, string>;
}
export const CreateSandboxRequest: Message<CreateSandboxRequest> = message<CreateSandboxRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
    bundlePath: init.bundlePath ?? '',
    rootfs: (init.rootfs ?? []).map(Mount.create),
    options: init.options && Any.create(init.options),
    netnsPath: init.netnsPath ?? '',
    annotations: new Map(init.annotations),
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
    if (from.bundlePath) out.tag(18).string(from.bundlePath);
    for (const value of from.rootfs ?? []) out.message(26, Mount, value);
    if (from.options) out.message(34, Any, from.options);
    if (from.netnsPath) out.tag(42).string(from.netnsPath);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(50).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      case 18:
        into.bundlePath = input.string();
        return true;
      case 26:
        input.count();
        into.rootfs.push(input.message(Mount));
        return true;
      case 34:
        into.options = input.message(Any, into.options);
        return true;
      case 42:
        into.netnsPath = input.string();
        return true;
      case 50: {
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

export type CreateSandboxResponse = Record<never, never>;
export const CreateSandboxResponse: Message<CreateSandboxResponse> = message<CreateSandboxResponse>(() => ({}), () => {}, () => false);

export interface StartSandboxRequest {
  sandboxId: string;
}
export const StartSandboxRequest: Message<StartSandboxRequest> = message<StartSandboxRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface StartSandboxResponse {
  pid: number;
  createdAt?: Timestamp | undefined;
  /** Read by containerd 2.3 and later. */
  spec?: Any | undefined;
}
export const StartSandboxResponse: Message<StartSandboxResponse> = message<StartSandboxResponse>(
  (init) => ({
    pid: init.pid ?? 0,
    createdAt: init.createdAt && Timestamp.create(init.createdAt),
    spec: init.spec && Any.create(init.spec),
  }),
  (out, from) => {
    if (from.pid) out.tag(8).uint32(from.pid);
    if (from.createdAt) out.message(18, Timestamp, from.createdAt);
    if (from.spec) out.message(26, Any, from.spec);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.pid = input.uint32();
        return true;
      case 18:
        into.createdAt = input.message(Timestamp, into.createdAt);
        return true;
      case 26:
        into.spec = input.message(Any, into.spec);
        return true;
      default:
        return false;
    }
  },
);

export interface PlatformRequest {
  sandboxId: string;
}
export const PlatformRequest: Message<PlatformRequest> = message<PlatformRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface PlatformResponse {
  platform?: Platform | undefined;
}
export const PlatformResponse: Message<PlatformResponse> = message<PlatformResponse>(
  (init) => ({
    platform: init.platform && Platform.create(init.platform),
  }),
  (out, from) => {
    if (from.platform) out.message(10, Platform, from.platform);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.platform = input.message(Platform, into.platform);
        return true;
      default:
        return false;
    }
  },
);

export interface StopSandboxRequest {
  sandboxId: string;
  timeoutSecs: number;
}
export const StopSandboxRequest: Message<StopSandboxRequest> = message<StopSandboxRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
    timeoutSecs: init.timeoutSecs ?? 0,
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
    if (from.timeoutSecs) out.tag(16).uint32(from.timeoutSecs);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      case 16:
        into.timeoutSecs = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export type StopSandboxResponse = Record<never, never>;
export const StopSandboxResponse: Message<StopSandboxResponse> = message<StopSandboxResponse>(() => ({}), () => {}, () => false);

export interface WaitSandboxRequest {
  sandboxId: string;
}
export const WaitSandboxRequest: Message<WaitSandboxRequest> = message<WaitSandboxRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface WaitSandboxResponse {
  exitStatus: number;
  exitedAt?: Timestamp | undefined;
}
export const WaitSandboxResponse: Message<WaitSandboxResponse> = message<WaitSandboxResponse>(
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

export interface SandboxStatusRequest {
  sandboxId: string;
  verbose: boolean;
}
export const SandboxStatusRequest: Message<SandboxStatusRequest> = message<SandboxStatusRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
    verbose: init.verbose ?? false,
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
    if (from.verbose) out.tag(16).bool(from.verbose);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      case 16:
        into.verbose = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface SandboxStatusResponse {
  sandboxId: string;
  pid: number;
  /** SANDBOX_READY or SANDBOX_NOTREADY; anything else reads as not ready. */
  state: string;
  info: Map<string, string>;
  createdAt?: Timestamp | undefined;
  exitedAt?: Timestamp | undefined;
  extra?: Any | undefined;
}
export const SandboxStatusResponse: Message<SandboxStatusResponse> = message<SandboxStatusResponse>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
    pid: init.pid ?? 0,
    state: init.state ?? '',
    info: new Map(init.info),
    createdAt: init.createdAt && Timestamp.create(init.createdAt),
    exitedAt: init.exitedAt && Timestamp.create(init.exitedAt),
    extra: init.extra && Any.create(init.extra),
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
    if (from.pid) out.tag(16).uint32(from.pid);
    if (from.state) out.tag(26).string(from.state);
    for (const [key, value] of from.info ?? []) {
      const start = out.tag(34).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.createdAt) out.message(42, Timestamp, from.createdAt);
    if (from.exitedAt) out.message(50, Timestamp, from.exitedAt);
    if (from.extra) out.message(58, Any, from.extra);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      case 16:
        into.pid = input.uint32();
        return true;
      case 26:
        into.state = input.string();
        return true;
      case 34: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.info.set(key, value);
        return true;
      }
      case 42:
        into.createdAt = input.message(Timestamp, into.createdAt);
        return true;
      case 50:
        into.exitedAt = input.message(Timestamp, into.exitedAt);
        return true;
      case 58:
        into.extra = input.message(Any, into.extra);
        return true;
      default:
        return false;
    }
  },
);

export interface PingRequest {
  sandboxId: string;
}
export const PingRequest: Message<PingRequest> = message<PingRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export type PingResponse = Record<never, never>;
export const PingResponse: Message<PingResponse> = message<PingResponse>(() => ({}), () => {}, () => false);

export interface ShutdownSandboxRequest {
  sandboxId: string;
}
export const ShutdownSandboxRequest: Message<ShutdownSandboxRequest> = message<ShutdownSandboxRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export type ShutdownSandboxResponse = Record<never, never>;
export const ShutdownSandboxResponse: Message<ShutdownSandboxResponse> = message<ShutdownSandboxResponse>(() => ({}), () => {}, () => false);

export interface SandboxMetricsRequest {
  sandboxId: string;
}
export const SandboxMetricsRequest: Message<SandboxMetricsRequest> = message<SandboxMetricsRequest>(
  (init) => ({
    sandboxId: init.sandboxId ?? '',
  }),
  (out, from) => {
    if (from.sandboxId) out.tag(10).string(from.sandboxId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.sandboxId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface SandboxMetricsResponse {
  metrics?: Metric | undefined;
}
export const SandboxMetricsResponse: Message<SandboxMetricsResponse> = message<SandboxMetricsResponse>(
  (init) => ({
    metrics: init.metrics && Metric.create(init.metrics),
  }),
  (out, from) => {
    if (from.metrics) out.message(10, Metric, from.metrics);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.metrics = input.message(Metric, into.metrics);
        return true;
      default:
        return false;
    }
  },
);

export const SandboxService = {
  name: 'containerd.runtime.sandbox.v1.Sandbox',
  methods: {
    createSandbox: unary('CreateSandbox', CreateSandboxRequest, CreateSandboxResponse),
    startSandbox: unary('StartSandbox', StartSandboxRequest, StartSandboxResponse),
    platform: unary('Platform', PlatformRequest, PlatformResponse),
    stopSandbox: unary('StopSandbox', StopSandboxRequest, StopSandboxResponse),
    waitSandbox: unary('WaitSandbox', WaitSandboxRequest, WaitSandboxResponse),
    sandboxStatus: unary('SandboxStatus', SandboxStatusRequest, SandboxStatusResponse),
    pingSandbox: unary('PingSandbox', PingRequest, PingResponse),
    shutdownSandbox: unary('ShutdownSandbox', ShutdownSandboxRequest, ShutdownSandboxResponse),
    sandboxMetrics: unary('SandboxMetrics', SandboxMetricsRequest, SandboxMetricsResponse),
  },
} as const satisfies ServiceSpec;
