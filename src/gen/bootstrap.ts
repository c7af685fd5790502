// Generated from proto/bootstrap.proto by scripts/gen.ts; do not edit.
import { Any } from './google.ts';
import { message, type Message } from './wire.ts';

export const LogLevel = {
  INFO: 0,
  TRACE: -8,
  DEBUG: -4,
  WARN: 4,
  ERROR: 8,
  FATAL: 10,
  PANIC: 12,
} as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

export interface Extension {
  value?: Any | undefined;
}
export const Extension: Message<Extension> = message<Extension>(
  (init) => ({
    value: init.value && Any.create(init.value),
  }),
  (out, from) => {
    if (from.value) out.message(10, Any, from.value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.value = input.message(Any, into.value);
        return true;
      default:
        return false;
    }
  },
);

export interface BootstrapParams {
  instanceId: string;
  namespace: string;
  logLevel: LogLevel;
  containerdVersion: string;
  containerdTtrpcAddress: string;
  containerdGrpcAddress: string;
  containerdBinary: string;
  extensions: Extension[];
  socketDir?: string | undefined;
}
export const BootstrapParams: Message<BootstrapParams> = message<BootstrapParams>(
  (init) => ({
    instanceId: init.instanceId ?? '',
    namespace: init.namespace ?? '',
    logLevel: init.logLevel ?? (0 as LogLevel),
    containerdVersion: init.containerdVersion ?? '',
    containerdTtrpcAddress: init.containerdTtrpcAddress ?? '',
    containerdGrpcAddress: init.containerdGrpcAddress ?? '',
    containerdBinary: init.containerdBinary ?? '',
    extensions: (init.extensions ?? []).map(Extension.create),
    socketDir: init.socketDir,
  }),
  (out, from) => {
    if (from.instanceId) out.tag(10).string(from.instanceId);
    if (from.namespace) out.tag(18).string(from.namespace);
    if (from.logLevel) out.tag(24).int32(from.logLevel);
    if (from.containerdVersion) out.tag(34).string(from.containerdVersion);
    if (from.containerdTtrpcAddress) out.tag(42).string(from.containerdTtrpcAddress);
    if (from.containerdGrpcAddress) out.tag(50).string(from.containerdGrpcAddress);
    if (from.containerdBinary) out.tag(58).string(from.containerdBinary);
    for (const value of from.extensions ?? []) out.message(66, Extension, value);
    if (from.socketDir !== undefined) out.tag(74).string(from.socketDir);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.instanceId = input.string();
        return true;
      case 18:
        into.namespace = input.string();
        return true;
      case 24:
        into.logLevel = input.int32() as LogLevel;
        return true;
      case 34:
        into.containerdVersion = input.string();
        return true;
      case 42:
        into.containerdTtrpcAddress = input.string();
        return true;
      case 50:
        into.containerdGrpcAddress = input.string();
        return true;
      case 58:
        into.containerdBinary = input.string();
        return true;
      case 66:
        input.count();
        into.extensions.push(input.message(Extension));
        return true;
      case 74:
        into.socketDir = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface BootstrapResult {
  version: number;
  address: string;
  protocol: string;
  capabilities: string[];
  metadata: Map<string, string>;
}
export const BootstrapResult: Message<BootstrapResult> = message<BootstrapResult>(
  (init) => ({
    version: init.version ?? 0,
    address: init.address ?? '',
    protocol: init.protocol ?? '',
    capabilities: [...(init.capabilities ?? [])],
    metadata: new Map(init.metadata),
  }),
  (out, from) => {
    if (from.version) out.tag(8).int32(from.version);
    if (from.address) out.tag(18).string(from.address);
    if (from.protocol) out.tag(26).string(from.protocol);
    for (const value of from.capabilities ?? []) out.tag(34).string(value);
    for (const [key, value] of from.metadata ?? []) {
      const start = out.tag(42).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.version = input.int32();
        return true;
      case 18:
        into.address = input.string();
        return true;
      case 26:
        into.protocol = input.string();
        return true;
      case 34:
        input.count();
        into.capabilities.push(input.string());
        return true;
      case 42: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.metadata.set(key, value);
        return true;
      }
      default:
        return false;
    }
  },
);
