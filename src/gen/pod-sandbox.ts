// Generated from proto/pod_sandbox.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface PodSandboxConfig {
  metadata?: PodSandboxMetadata | undefined;
  hostname: string;
  dnsConfig?: DNSConfig | undefined;
  annotations: Map<string, string>;
  linux?: LinuxPodSandboxConfig | undefined;
}
export const PodSandboxConfig: Message<PodSandboxConfig> = message<PodSandboxConfig>(
  (init) => ({
    metadata: init.metadata && PodSandboxMetadata.create(init.metadata),
    hostname: init.hostname ?? '',
    dnsConfig: init.dnsConfig && DNSConfig.create(init.dnsConfig),
    annotations: new Map(init.annotations),
    linux: init.linux && LinuxPodSandboxConfig.create(init.linux),
  }),
  (out, from) => {
    if (from.metadata) out.message(10, PodSandboxMetadata, from.metadata);
    if (from.hostname) out.tag(18).string(from.hostname);
    if (from.dnsConfig) out.message(34, DNSConfig, from.dnsConfig);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(58).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.linux) out.message(66, LinuxPodSandboxConfig, from.linux);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.metadata = input.message(PodSandboxMetadata, into.metadata);
        return true;
      case 18:
        into.hostname = input.string();
        return true;
      case 34:
        into.dnsConfig = input.message(DNSConfig, into.dnsConfig);
        return true;
      case 58: {
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
      case 66:
        into.linux = input.message(LinuxPodSandboxConfig, into.linux);
        return true;
      default:
        return false;
    }
  },
);

export interface PodSandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
}
export const PodSandboxMetadata: Message<PodSandboxMetadata> = message<PodSandboxMetadata>(
  (init) => ({
    name: init.name ?? '',
    uid: init.uid ?? '',
    namespace: init.namespace ?? '',
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.uid) out.tag(18).string(from.uid);
    if (from.namespace) out.tag(26).string(from.namespace);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 18:
        into.uid = input.string();
        return true;
      case 26:
        into.namespace = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface DNSConfig {
  servers: string[];
  searches: string[];
  options: string[];
}
export const DNSConfig: Message<DNSConfig> = message<DNSConfig>(
  (init) => ({
    servers: [...(init.servers ?? [])],
    searches: [...(init.searches ?? [])],
    options: [...(init.options ?? [])],
  }),
  (out, from) => {
    for (const value of from.servers ?? []) out.tag(10).string(value);
    for (const value of from.searches ?? []) out.tag(18).string(value);
    for (const value of from.options ?? []) out.tag(26).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.servers.push(input.string());
        return true;
      case 18:
        input.count();
        into.searches.push(input.string());
        return true;
      case 26:
        input.count();
        into.options.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxPodSandboxConfig {
  cgroupParent: string;
  sysctls: Map<string, string>;
  /** The sum of the pod's limits. */
  resources?: LinuxContainerResources | undefined;
}
export const LinuxPodSandboxConfig: Message<LinuxPodSandboxConfig> = message<LinuxPodSandboxConfig>(
  (init) => ({
    cgroupParent: init.cgroupParent ?? '',
    sysctls: new Map(init.sysctls),
    resources: init.resources && LinuxContainerResources.create(init.resources),
  }),
  (out, from) => {
    if (from.cgroupParent) out.tag(10).string(from.cgroupParent);
    for (const [key, value] of from.sysctls ?? []) {
      const start = out.tag(26).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
    if (from.resources) out.message(42, LinuxContainerResources, from.resources);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.cgroupParent = input.string();
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
        into.sysctls.set(key, value);
        return true;
      }
      case 42:
        into.resources = input.message(LinuxContainerResources, into.resources);
        return true;
      default:
        return false;
    }
  },
);

export interface LinuxContainerResources {
  cpuPeriod: bigint;
  cpuQuota: bigint;
  cpuShares: bigint;
  memoryLimitInBytes: bigint;
}
export const LinuxContainerResources: Message<LinuxContainerResources> = message<LinuxContainerResources>(
  (init) => ({
    cpuPeriod: init.cpuPeriod ?? 0n,
    cpuQuota: init.cpuQuota ?? 0n,
    cpuShares: init.cpuShares ?? 0n,
    memoryLimitInBytes: init.memoryLimitInBytes ?? 0n,
  }),
  (out, from) => {
    if (from.cpuPeriod) out.tag(8).u64(from.cpuPeriod);
    if (from.cpuQuota) out.tag(16).u64(from.cpuQuota);
    if (from.cpuShares) out.tag(24).u64(from.cpuShares);
    if (from.memoryLimitInBytes) out.tag(32).u64(from.memoryLimitInBytes);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.cpuPeriod = input.i64();
        return true;
      case 16:
        into.cpuQuota = input.i64();
        return true;
      case 24:
        into.cpuShares = input.i64();
        return true;
      case 32:
        into.memoryLimitInBytes = input.i64();
        return true;
      default:
        return false;
    }
  },
);
